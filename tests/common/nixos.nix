# As much of NixOS as examples/nixos uses, for tests without nixpkgs: modules side by side, and the units that come of them.
{ system, modules }:
let
  inherit (builtins)
    attrNames
    concatStringsSep
    foldl'
    isFunction
    isList
    listToAttrs
    map
    mapAttrs
    toFile
    ;

  run = name: text: script: derivation {
    inherit name system text;
    builder = "/bin/sh";
    PATH = "/bin:/usr/bin";
    args = [ "-c" script ];
  };
  pkgs.python3 = run "python3" "" "mkdir -p $out/bin; ln -s /usr/bin/python3 $out/bin/python3";

  told = map (
    module:
    let
      value = import module;
    in
    if isFunction value then value { inherit pkgs; } else value
  ) modules;
  at = foldl' (set: name: set.${name} or { });
  of = path: foldl' (all: set: all // at set path) { } told;

  line = name: value: if isList value then concatStringsSep "" (map (line name) value) else "${name}=${value}\n";
  lines = settings: concatStringsSep "" (map (name: line name settings.${name}) (attrNames settings));
  unit = file: section: name: declared: rec {
    text =
      "[Unit]\n"
      + lines {
        Description = declared.description or name;
        Requires = declared.requires or [ ];
        After = declared.after or [ ];
      }
      + "\n[${section}]\n"
      + lines (declared.serviceConfig or declared.timerConfig or { });
    unit = run "unit-${file}" text "mkdir $out; printf %s \"$text\" > $out/${file}";
    wantedBy = declared.wantedBy or [ ];
  };
  units =
    kind: section: set:
    listToAttrs (
      map (
        name:
        let
          file = "${name}.${kind}";
        in
        {
          name = file;
          value = unit file section name set.${name};
        }
      ) (attrNames set)
    );
in
{
  config = {
    systemd.units =
      units "service" "Service" (of [ "systemd" "services" ])
      // units "timer" "Timer" (of [ "systemd" "timers" ]);
    environment.etc = mapAttrs (name: file: { source = toFile (baseNameOf name) file.text; }) (of [ "environment" "etc" ]);
    users.users = of [ "users" "users" ];
    users.groups = of [ "users" "groups" ];
  };
}
