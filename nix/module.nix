# `services.icefield`: a server, an agent, or both on one machine.
#
#   services.icefield = {
#     enable = true;
#     agent = {
#       enable = true;
#       node = "metal-1";
#       address = "10.0.0.11";
#       servers = [ "https://10.0.0.1:7700" ];
#       joinTokenFile = "/root/join-token";
#     };
#   };
#
# The agent runs as root: it gives every replica a control group and, for what Nix has built, links in the store. A join token is
# needed at the first start alone; the file may be deleted afterwards.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkIf mkOption types;
  cfg = config.services.icefield;
  server = cfg.server;
  agent = cfg.agent;

  # One word of a command line: the escapes of JSON are also systemd's, which reads `%` and `$` in its own way.
  word = text: builtins.replaceStrings [ "%" "$" ] [ "%%" "$$" ] (builtins.toJSON text);
  line = words: builtins.concatStringsSep " " (map word ([ "${cfg.package}/bin/icefield" ] ++ words));
  each = flag: values: builtins.concatLists (map (value: [ flag value ]) values);
  given = flag: value: if value == null then [ ] else [ flag value ];

  list = description: mkOption {
    type = types.listOf types.str;
    default = [ ];
    inherit description;
  };
  text = description: mkOption {
    type = types.str;
    inherit description;
  };
  maybe = description: mkOption {
    type = types.nullOr types.str;
    default = null;
    inherit description;
  };
  folder = default: mkOption {
    type = types.str;
    inherit default;
    description = "The folder for its state.";
  };
  switch = description: mkOption {
    type = types.bool;
    default = false;
    inherit description;
  };

  unit = description: command: {
    inherit description;
    wantedBy = [ "multi-user.target" ];
    wants = [ "network-online.target" ];
    after = [ "network-online.target" ];
    path = [
      "/run/wrappers"
      "/run/current-system/sw"
    ];
    serviceConfig = {
      ExecStart = command;
      Restart = "always";
      RestartSec = "1s";
      # Replicas belong to processes of their own, which stay when their agent goes.
      KillMode = "process";
      Delegate = true;
    };
  };
in
{
  options.services.icefield = {
    enable = switch "Whether to run Icefield on this machine.";

    package = mkOption {
      type = types.package;
      description = "The package with the program.";
    };

    server = {
      enable = switch "Whether this machine holds the cluster's state, with the others that do.";
      name = text "The server's own name.";
      listen = text "The address and port to listen on: `10.0.0.1:7700`.";
      data = folder "/var/lib/icefield/server";
      newCluster = switch "Whether to form a new cluster, if the folder is empty.";
      join = list "URLs of servers whose cluster to join, if the folder is empty.";
      joinTokenFile = maybe "The file with the join token (`icefield join-token create --as-server`).";
    };

    agent = {
      enable = switch "Whether replicas run on this machine.";
      node = text "The node's name, as the declaration has it.";
      address = text "The address that replicas listen on and are reached by.";
      servers = list "URLs of the cluster's servers; name all of them.";
      data = folder "/var/lib/icefield/agent";
      joinTokenFile = maybe "The file with the join token (`icefield join-token create --node NAME`).";
      systemd = switch "Whether services are units of this machine's systemd: those of NixOS modules, which need it, and those of packages.";
      dns = maybe "Where to answer DNS for the names of services: `127.0.0.1:53`.";
      substituters = list "Binary caches that have what Nix built for the cluster.";
      trustedKeys = list "The public keys that it is signed with: `shop-1:…`.";
    };
  };

  config = {
    # For `icefield status` and the like.
    environment.systemPackages = mkIf cfg.enable [ cfg.package ];

    systemd.services.icefield-server = mkIf (cfg.enable && server.enable) (
      unit "Icefield server" (
        line (
          [
            "server"
            "--name"
            server.name
            "--listen"
            server.listen
            "--data"
            server.data
          ]
          ++ (if server.newCluster then [ "--new-cluster" ] else [ ])
          ++ each "--join" server.join
          ++ given "--token" (if server.joinTokenFile == null then null else "@${server.joinTokenFile}")
        )
      )
    );

    systemd.services.icefield-agent = mkIf (cfg.enable && agent.enable) (
      unit "Icefield agent" (
        line (
          [
            "agent"
            "--node"
            agent.node
            "--address"
            agent.address
            "--data"
            agent.data
          ]
          ++ each "--server" agent.servers
          ++ given "--join" (if agent.joinTokenFile == null then null else "@${agent.joinTokenFile}")
          ++ (if agent.systemd then [ "--systemd" "system" ] else [ ])
          ++ given "--dns" agent.dns
          ++ each "--substituter" agent.substituters
          ++ each "--trusted-key" agent.trustedKeys
        )
      )
    );
  };
}
