# The configuration of one emitted node, by a stand-in for NixOS: its options are free, and its packages are names.
# `nixpkgs` is where nixpkgs' own lib is, to evaluate by that instead of by the lib beside this file.
{
  node,
  nixpkgs ? null,
}:
let
  package = name: {
    type = "derivation";
    outPath = "/nix/store/${name}";
    inherit name;
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
  module = ../nodes + "/${node}.nix";

  byStandIn = (import ./lib.nix).evaluate {
    modules = [
      module
      { virtualisation.podman.package = package "podman"; }
    ];
    arguments = { inherit pkgs inputs; };
  };

  byNixpkgs =
    let
      lib = import (nixpkgs + "/lib");
      inherit (lib) mkOption types;
      list = mkOption {
        type = types.listOf types.anything;
        default = [ ];
      };
      nixos = {
        options = {
          environment.systemPackages = list;
          networking.firewall.allowedTCPPorts = list;
          systemd.services = mkOption {
            type = types.attrsOf (
              types.submodule {
                freeformType = types.attrsOf types.anything;
                options.environment = mkOption { type = types.attrsOf types.str; };
              }
            );
          };
        };
        config = {
          _module.args.pkgs = pkgs;
          _module.freeformType = types.lazyAttrsOf types.anything;
          virtualisation.podman.package = package "podman";
        };
      };
    in
    (lib.evalModules {
      specialArgs = { inherit inputs; };
      modules = [
        module
        nixos
      ];
    }).config;

  # A path would be copied to the store on its way out.
  plain =
    value:
    if builtins.isPath value then
      toString value
    else if builtins.isFunction value || value ? __functor then
      "<function>"
    else if builtins.isAttrs value then
      (if value ? outPath then value.outPath else builtins.mapAttrs (_: plain) value)
    else if builtins.isList value then
      map plain value
    else
      value;
in
plain (if nixpkgs == null then byStandIn else byNixpkgs)
