import ./program.nix {
  name = "web";
  script = ./web.py;
}
