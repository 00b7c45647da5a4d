#!/bin/sh
# Lays out a host of a test's own below ROOT: a Nix store, a system profile, a boot loader, and systems that keep the contract of
# NixOS (bin/switch-to-configuration, kernel, initrd, kernel-params). Prints the environment that the commands need.
#
#   [NIX=FOLDER] host.sh ROOT VERSION[:KERNEL]...
#
# Hosts with the same NIX share a store, and so the paths of systems; without it each has ROOT/nix. NIX/systems/VERSION leads to
# each system. What ROOT/trouble has lines of goes wrong: "STEP VERSION fail" or "STEP VERSION hang",
# where STEP is realise, verify, set, switch or boot, and VERSION may be "any".
set -eu
root=$1
shift
nix=${NIX:-$root/nix}
mkdir -p "$root/home" "$root/bin" "$root/run" "$root/boot" "$root/profiles" "$nix/etc" "$nix/store" "$nix/systems"
printf 'sandbox = false\nbuild-users-group =\nsubstituters =\nrequire-sigs = false\n' >"$nix/etc/nix.conf"
[ -e "$root/boot-id" ] || echo boot-1 >"$root/boot-id"
: >>"$root/trouble"

# The commands, each in the hands of ROOT/trouble.
for name in nix-store nix-env; do
  cat >"$root/bin/$name" <<END
#!/bin/sh
case "\$*" in
  *--realise*) step=realise ;;
  *--verify-path*) step=verify ;;
  *--set*) step=set ;;
  *) step=other ;;
esac
"$root/bin/trouble" "\$step" "\$*" || exit 1
exec $(command -v $name) "\$@"
END
done
cat >"$root/bin/trouble" <<END
#!/bin/sh
# trouble STEP TEXT: goes wrong if it is to, for the system that TEXT names.
while read -r step version how; do
  [ "\$step" = "\$1" ] || continue
  case "\$version \$2" in
    any\ *) ;;
    *)
      case "\$2" in *-nixos-system-"\$version"|*-nixos-system-"\$version"\ *|*-nixos-system-"\$version"/*) ;; *) continue ;; esac
      ;;
  esac
  if [ "\$how" = hang ]; then sleep 600; fi
  echo "\$1 goes wrong, as it was told to" >&2
  exit 1
done <"$root/trouble"
exit 0
END
cat >"$root/bin/switch" <<END
#!/bin/sh
# switch SYSTEM HOW: what NixOS does, in links.
"$root/bin/trouble" "\$2" "\$1" || exit 1
point() { ln -s "\$2" "\$1.new.\$\$" && mv -T "\$1.new.\$\$" "\$1"; }
case "\$2" in switch|boot) point "$root/boot/default" "\$1" ;; esac
case "\$2" in switch|test) point "$root/run/current-system" "\$1" ;; esac
END
cat >"$root/bin/reboot" <<END
#!/bin/sh
# Restarts the machine: what the boot loader names runs, and nothing else does.
set -e
point() { ln -s "\$2" "\$1.new.\$\$" && mv -T "\$1.new.\$\$" "\$1"; }
system=\$(readlink "$root/boot/default")
point "$root/run/booted-system" "\$system"
point "$root/run/current-system" "\$system"
date +boot-%s%N >"$root/boot-id"
agent=\$(cat "$root/agent.pid" 2>/dev/null) || exit 0
# Its number may be another process's by now.
! grep -qzx "NIX_HOST=$root" "/proc/\$agent/environ" 2>/dev/null || kill -9 "\$agent"
END
chmod +x "$root"/bin/*

cat >"$nix/system.nix" <<'END'
{ version, kernel }:
let
  make = name: text: derivation {
    inherit name text;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" "export PATH=/bin:/usr/bin; eval \"$text\"" ];
  };
  kernelFile = make "kernel-${kernel}" "echo ${kernel} > $out";
  unit = make "unit-app.service" "mkdir $out; echo ${version} > $out/app.service";
in make "nixos-system-${version}" ''
  mkdir -p $out/bin
  for part in kernel initrd kernel-modules; do ln -s ${kernelFile} $out/$part; done
  echo quiet > $out/kernel-params
  ln -s ${unit} $out/etc
  printf '#!/bin/sh\nexec "$NIX_HOST/bin/switch" %s "$1"\n' $out > $out/bin/switch-to-configuration
  chmod +x $out/bin/switch-to-configuration
''
END

export NIX_STORE_DIR="$nix/store" NIX_STATE_DIR="$nix/var" NIX_LOG_DIR="$nix/log" NIX_CONF_DIR="$nix/etc" HOME="$root/home"
export NIX_HOST="$root"
unset NIX_REMOTE NIX_PATH
for wanted in "$@"; do
  version=${wanted%%:*}
  kernel=1
  case "$wanted" in *:*) kernel=${wanted##*:} ;; esac
  path=$(nix-build "$nix/system.nix" --argstr version "$version" --argstr kernel "$kernel" \
    --out-link "$nix/systems/$version" 2>"$root/build.log") || { cat "$root/build.log" >&2; exit 1; }
  # The first one is what the host was set up with.
  if [ ! -e "$root/profiles/system" ]; then
    nix-env --profile "$root/profiles/system" --set "$path"
    "$path/bin/switch-to-configuration" switch
    ln -s "$path" "$root/run/booted-system"
  fi
done
for name in NIX_STORE_DIR NIX_STATE_DIR NIX_LOG_DIR NIX_CONF_DIR NIX_HOST HOME; do
  eval "echo $name=\$$name"
done
