# Icefield for NixOS: the program, and a module that runs its servers and agents.
#
#   inputs.icefield.url = "github:icefield/icefield?dir=nix";
#   modules = [ icefield.nixosModules.default { services.icefield = { … }; } ];
{
  description = "Runs a fleet of Linux machines from one file";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      package = system: nixpkgs.legacyPackages.${system}.callPackage ./package.nix { };
    in
    {
      packages = nixpkgs.lib.genAttrs systems (system: rec {
        icefield = package system;
        default = icefield;
      });

      nixosModules.default =
        { lib, pkgs, ... }:
        {
          imports = [ ./module.nix ];
          services.icefield.package = lib.mkDefault self.packages.${pkgs.stdenv.hostPlatform.system}.icefield;
        };
    };
}
