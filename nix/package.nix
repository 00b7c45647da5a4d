# The program. Its tests start clusters, servers and Nix itself, which a build cannot; ./test runs them.
{
  lib,
  rustPlatform,
}:
rustPlatform.buildRustPackage {
  pname = "icefield";
  version = (lib.importTOML ../Cargo.toml).workspace.package.version;
  src = lib.cleanSource ../.;
  cargoLock.lockFile = ../Cargo.lock;
  cargoBuildFlags = [
    "--package"
    "icefield"
  ];
  doCheck = false;
  meta = {
    description = "Runs a fleet of Linux machines from one file";
    license = with lib.licenses; [
      asl20
      mit
    ];
    mainProgram = "icefield";
    platforms = lib.platforms.linux;
  };
}
