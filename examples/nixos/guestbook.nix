# A guest book: a user of its own, a folder for its state, a file below /etc, and a service that has to come first.
{ pkgs, ... }:
{
  users.users.guestbook = {
    isSystemUser = true;
    group = "guestbook";
  };
  users.groups.guestbook = { };

  environment.etc."guestbook/title".text = "Our guests\n";

  systemd.services.guestbook-setup = {
    description = "First page of the guest book";
    serviceConfig = {
      Type = "oneshot";
      User = "guestbook";
      StateDirectory = "guestbook";
      ExecStart = "/bin/sh -c 'cat /etc/guestbook/title > /var/lib/guestbook/index.html'";
    };
  };

  systemd.services.guestbook = {
    description = "Guest book";
    wantedBy = [ "multi-user.target" ];
    requires = [ "guestbook-setup.service" ];
    after = [ "guestbook-setup.service" ];
    serviceConfig = {
      User = "guestbook";
      StateDirectory = "guestbook";
      ExecStart = "${pkgs.python3}/bin/python3 -m http.server \${PORT_HTTP} --directory /var/lib/guestbook";
    };
  };
}
