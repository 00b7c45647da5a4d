import ./program.nix {
  name = "api";
  script = ./api.py;
}
