# How replicas of the kind microvm become virtual machines, by microvm.nix.
{
  config,
  lib,
  inputs,
  ...
}:

let
  cfg = config.icefield;

  services = builtins.filter (service: service.kind == "microvm") (builtins.attrValues cfg.services);

  # An address of the locally administered range that follows from who the replica is.
  mac =
    identity:
    let
      hash = builtins.hashString "sha256" identity;
      byte = at: builtins.substring (2 * at) 2 hash;
    in
    lib.concatStringsSep ":" ([ "02" ] ++ map byte [ 0 1 2 3 4 ]);

  machine = service: index: replica: {
    name = "${service.name}-${index}";
    value.config = {
      imports = service.guest;

      # Everything in the guest knows the replica's variables.
      systemd.globalEnvironment = builtins.mapAttrs (
        _: builtins.replaceStrings [ "%" ] [ "%%" ]
      ) replica.environment;
      environment.etc = lib.mapAttrs' (used: file: {
        name = "icefield/endpoints/${used}.json";
        value.source = file;
      }) service.uses;
      networking.firewall.allowedTCPPorts = builtins.attrValues replica.ports;
      system.stateVersion = lib.mkDefault config.system.stateVersion;

      microvm = {
        vcpu = lib.max 1 ((service.cpu + 999) / 1000);
        mem = lib.max 1 (service.memory / 1048576);
        interfaces = [
          {
            type = "user";
            id = "replica";
            mac = mac "${cfg.cluster}/${service.name}/${index}";
          }
        ];
        # A volume is at the same path in the guest and on the node.
        shares = lib.imap0 (at: folder: {
          proto = "virtiofs";
          tag = "volume-${toString at}";
          source = folder;
          mountPoint = folder;
        }) replica.volumes;
        # A port of the guest is the same port of the node.
        forwardPorts = map (port: {
          host.port = port;
          guest.port = port;
        }) (builtins.attrValues replica.ports);
      };
    };
  };
in
{
  imports = [ inputs.microvm.nixosModules.host ];

  microvm.vms = builtins.listToAttrs (
    lib.concatMap (service: lib.mapAttrsToList (machine service) service.replicas) services
  );
}
