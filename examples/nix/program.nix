# A package with one program: a script. With nixpkgs at hand this would be pkgs.writeScriptBin; it is written out so that the
# example needs nothing but Nix, a shell and Python.
{ name, script }:
derivation {
  inherit name script;
  system = builtins.currentSystem;
  builder = "/bin/sh";
  args = [
    "-c"
    "PATH=/usr/bin:/bin; mkdir -p $out/bin && cp $script $out/bin/$name && chmod +x $out/bin/$name"
  ];
}
