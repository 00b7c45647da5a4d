# The configuration of one emitted node, by a stand-in for NixOS: its options are free, and its packages are names.
{ node }:
let
  lib = import ./lib.nix;
  package = name: {
    type = "derivation";
    outPath = "/nix/store/${name}";
  };
  pkgs = {
    stdenv.hostPlatform.system = "x86_64-linux";
    coreutils = package "coreutils";
    cowsay = package "cowsay";
    htop = package "htop";
    python3Packages.requests = package "requests";
  };
  inputs = {
    microvm.nixosModules.host = { };
    github-shop-api.packages.x86_64-linux.server = package "api";
  };
  config = lib.evaluate {
    modules = [
      (../nodes + "/${node}.nix")
      { virtualisation.podman.package = package "podman"; }
    ];
    arguments = { inherit pkgs inputs; };
  };
  # A path would be copied to the store on its way out.
  plain = value:
    if builtins.isPath value then
      toString value
    else if builtins.isAttrs value then
      (if value ? outPath then value.outPath else builtins.mapAttrs (_: plain) value)
    else if builtins.isList value then
      map plain value
    else if builtins.isFunction value then
      "<function>"
    else
      value;
in
plain config
