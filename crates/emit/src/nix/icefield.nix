# What the nodes have in common: the options under `icefield`, and how the replicas that they declare become systemd
# units. It is the same in every cluster. What a machine needs to boot (file systems, boot loader) is for its base to say.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkOption types;

  cfg = config.icefield;

  endpointsFolder = "/etc/icefield/endpoints";

  # Where the files of a replica are, under /etc, and those that are secrets as long as it runs.
  filesFolder = service: index: "icefield/files/${service.name}-${index}";
  credentialsFolder = service: index: "/run/credentials/icefield-${service.name}@${index}.service";
  credentialName = path: builtins.replaceStrings [ "/" ] [ "_" ] (lib.removePrefix "/" path);

  # Where it is noted that a revision of a job has succeeded, under /var/lib.
  jobsFolder = "icefield/jobs";
  done = service: "${jobsFolder}/${service.name}.${builtins.substring 0 10 service.revision}";

  # Where the volumes of a replica are, under /var/lib.
  volumesFolder = service: index: "icefield/volumes/${service.name}-${index}";

  # Commands and environments are either plain or functions of a replica's variables.
  orFunction = type: types.either (types.functionTo type) type;
  resolve = value: variables: if lib.isFunction value then value variables else value;

  fileVariable =
    path:
    "FILE_"
    + lib.toUpper (
      builtins.replaceStrings [ "." "+" "-" "/" ] [ "_" "_" "_" "_" ] (lib.removePrefix "/" path)
    );

  inCapitals = name: lib.toUpper (builtins.replaceStrings [ "-" ] [ "_" ] name);

  serviceModule =
    { name, config, ... }:
    {
      options = {
        name = mkOption {
          type = types.str;
          default = name;
          description = "The service. During a rollout it has two entries here, one for each revision.";
        };
        revision = mkOption {
          type = types.str;
          description = "The hash of all that the service's replicas have in common.";
        };
        kind = mkOption {
          type = types.enum [
            "exec"
            "nix"
            "container"
            "microvm"
            "nixos"
          ];
          description = "What runs a replica.";
        };
        cpu = mkOption {
          type = types.ints.unsigned;
          description = "Processor time reserved for one replica, in thousandths of a core.";
        };
        memory = mkOption {
          type = types.ints.positive;
          description = "The most memory that one replica may use, in bytes.";
        };
        stopTimeout = mkOption {
          type = types.str;
          default = "10s";
          description = "How long a replica may take to end before it is killed.";
        };
        environment = mkOption {
          type = orFunction (types.attrsOf types.str);
          default = { };
          description = "Variables, or a function from those that Icefield gives to them.";
        };
        command = mkOption {
          type = orFunction (types.listOf types.str);
          default = [ ];
          description = "The program and its arguments, or a function from a replica's variables to them.";
        };
        secretEnvironment = mkOption {
          type = types.nullOr types.str;
          default = null;
          description = "The path on the node of a file with variables that are secrets. It is never read at build time.";
        };
        secretFiles = mkOption {
          type = types.attrsOf types.str;
          default = { };
          description = "Files that are secrets, by path: where on the node the value of each is. It is never read at build time.";
        };
        fileModes = mkOption {
          type = types.attrsOf types.str;
          default = { };
          description = "Who may read and write files that are no secrets, by path; 0644 where nothing is said.";
        };
        package = mkOption {
          type = types.nullOr types.package;
          default = null;
          description = "Where the program is, for the kind nix.";
        };
        image = mkOption {
          type = types.str;
          default = "";
          description = "The image, for the kind container.";
        };
        guest = mkOption {
          type = types.listOf types.raw;
          default = [ ];
          description = "The modules of the guest, for the kind microvm.";
        };
        uses = mkOption {
          type = types.attrsOf types.path;
          default = { };
          description = "Services that this one reaches, and the file with the endpoints of each.";
        };
        told = mkOption {
          type = types.attrsOf types.str;
          default = { };
          description = "Variables that tell where the services are that this one reaches.";
        };
        volumes = mkOption {
          type = types.listOf types.str;
          default = [ ];
          description = "Folders of each replica that outlive it, by name.";
        };
        mounts = mkOption {
          type = types.attrsOf types.raw;
          default = { };
          description = "Volumes that are not on the node, as systemd.mounts has them, by name.";
        };
        job = mkOption {
          type = types.nullOr (types.submodule jobModule);
          default = null;
          description = "What makes a job of it: something that runs to its end.";
        };
        replicas = mkOption {
          type = types.attrsOf (types.submodule (replicaModule config));
          default = { };
          description = "The replicas on this node, by index.";
        };
      };
    };

  jobModule = {
    options = {
      retries = mkOption {
        type = types.ints.unsigned;
        description = "How often it is tried again when it fails.";
      };
      pause = mkOption {
        type = types.str;
        description = "The pause before it is tried again.";
      };
      deadline = mkOption {
        type = types.str;
        description = "How long it may take.";
      };
      calendar = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "When it runs, as OnCalendar has it; without it, once for each revision.";
      };
    };
  };

  replicaModule =
    service:
    { name, config, ... }:
    {
      options = {
        ports = mkOption {
          type = types.attrsOf types.port;
          default = { };
          description = "The replica's ports by name.";
        };
        files = mkOption {
          type = types.attrsOf types.path;
          default = { };
          description = "The replica's files by path, but for those that are secrets.";
        };
        volumes = mkOption {
          type = types.listOf types.str;
          readOnly = true;
          description = "The folders of the replica's volumes.";
          default = map (volume: "/var/lib/${volumesFolder service name}/${volume}") (
            service.volumes ++ builtins.attrNames service.mounts
          );
        };
        environment = mkOption {
          type = types.attrsOf types.str;
          readOnly = true;
          description = "The replica's variables: those that Icefield gives, and the service's own.";
          default =
            let
              ports = map (port: {
                name = "PORT_" + inCapitals port;
                value = toString config.ports.${port};
              }) (builtins.attrNames config.ports);
              volumes = map (volume: {
                name = "VOLUME_" + inCapitals volume;
                value = "/var/lib/${volumesFolder service name}/${volume}";
              }) (service.volumes ++ builtins.attrNames service.mounts);
              file = folder: path: {
                name = fileVariable path;
                value = if lib.hasPrefix "/" path then path else folder path;
              };
              files = map (file (path: "/etc/${filesFolder service name}/${path}")) (
                builtins.attrNames config.files
              );
              secrets = map (file (path: "${credentialsFolder service name}/${credentialName path}")) (
                builtins.attrNames service.secretFiles
              );
              given = service.told // builtins.listToAttrs (ports ++ volumes ++ files ++ secrets) // {
                ICEFIELD_CLUSTER = cfg.cluster;
                ICEFIELD_SERVICE = service.name;
                ICEFIELD_INDEX = name;
                ICEFIELD_NODE = cfg.node;
                ICEFIELD_ADDRESS = cfg.address;
                ICEFIELD_REVISION = service.revision;
                ICEFIELD_ENDPOINTS = endpointsFolder;
              };
            in
            given // resolve service.environment given;
        };
      };
    };

  services = builtins.attrValues cfg.services;

  # `f service index replica` for each replica whose kind is one of `kinds`.
  eachReplica =
    kinds: f:
    lib.concatMap (
      service: lib.mapAttrsToList (f service) (if builtins.elem service.kind kinds then service.replicas else { })
    ) services;

  # systemd reads `%` as the start of a specifier.
  escapePercent = builtins.replaceStrings [ "%" ] [ "%%" ];

  # One word of a command line. The escapes of JSON are also systemd's.
  word = text: builtins.replaceStrings [ "$" ] [ "$$" ] (escapePercent (builtins.toJSON text));

  # systemd does not look for a program on the unit's PATH, and takes only plain ones as the first word; `env` has
  # neither limit.
  commandLine =
    argv:
    let
      plain = builtins.match "/[A-Za-z0-9_./:=@,+-]*" (builtins.head argv) != null;
    in
    lib.concatMapStringsSep " " word (lib.optional (!plain) "${pkgs.coreutils}/bin/env" ++ argv);

  # A program of a package, unless its path is absolute.
  inPackage =
    package: program:
    if lib.hasPrefix "/" program then
      program
    else if lib.hasInfix "/" program then
      "${package}/${program}"
    else
      "${lib.getBin package}/bin/${program}";

  podman = "${config.virtualisation.podman.package}/bin/podman";
  containerName = service: index: "icefield-${service.name}-${index}";

  # The variables are arguments, not podman's own environment, which they could disturb.
  podmanRun =
    service: index: replica:
    [
      podman
      "run"
      "--name=${containerName service index}"
      "--replace"
      "--rm"
      # The container stays in the unit's control group, so that the unit's limits hold.
      "--cgroups=split"
      "--network=host"
    ]
    ++ lib.mapAttrsToList (name: value: "--env=${name}=${value}") replica.environment
    ++ lib.optional (service.secretEnvironment != null) "--env-file=${service.secretEnvironment}"
    # One by one: the files are links that lead nowhere inside the container.
    ++ map (used: "--volume=${endpointsFolder}/${used}.json:${endpointsFolder}/${used}.json:ro") (
      builtins.attrNames service.uses
    )
    ++ map (path: "--volume=/etc/${filesFolder service index}/${lib.removePrefix "/" path}:${path}:ro") (
      builtins.attrNames replica.files
    )
    ++ map (path: "--volume=${credentialsFolder service index}/${credentialName path}:${path}:ro") (
      builtins.attrNames service.secretFiles
    )
    ++ map (folder: "--volume=${folder}:${folder}") replica.volumes
    ++ [ service.image ];

  argv =
    service: index: replica:
    let
      command = resolve service.command replica.environment;
    in
    if service.kind == "container" then
      podmanRun service index replica ++ command
    else if service.package == null then
      command
    else
      [ (inPackage service.package (builtins.head command)) ] ++ builtins.tail command;

  unit =
    service: index: replica:
    let
      isContainer = service.kind == "container";
      isJob = service.job != null;
      isTimed = isJob && service.job.calendar != [ ];
      variables = builtins.mapAttrs (_: escapePercent) replica.environment;
    in
    {
      name = "icefield-${service.name}@${index}";
      value = {
        description = if isJob then "Job ${service.name}" else "Replica ${index} of ${service.name}";
        wantedBy = lib.optional (!isJob || !isTimed) "multi-user.target";
        wants = [ "network-online.target" ];
        after = [ "network-online.target" ];
        startLimitIntervalSec = if isJob then service.job.deadline else 0;
        # A job that has no times runs once for each revision.
        unitConfig = lib.optionalAttrs (service.mounts != { }) {
          RequiresMountsFor = map (volume: "/var/lib/${volumesFolder service index}/${volume}") (
            builtins.attrNames service.mounts
          );
        }
        // lib.optionalAttrs isJob (
          { StartLimitBurst = service.job.retries + 1; }
          // lib.optionalAttrs (!isTimed) { ConditionPathExists = "!/var/lib/${done service}"; }
        );
        # The programs of the service's own package, then those of the node, as a login has them.
        path = lib.optional (service.package != null) service.package ++ [
          "/run/wrappers"
          "/run/current-system/sw"
        ];
        environment = lib.optionalAttrs (!isContainer) (
          variables // lib.optionalAttrs (variables ? PATH) { PATH = lib.mkForce variables.PATH; }
        );
        serviceConfig = {
          ExecStart = commandLine (argv service index replica);
          TimeoutStopSec = service.stopTimeout;
          CPUWeight = lib.max 1 (lib.min 10000 (service.cpu / 10));
          MemoryMax = service.memory;
        }
        // (
          if isJob then
            {
              Type = "oneshot";
              Restart = "on-failure";
              RestartSec = service.job.pause;
              TimeoutStartSec = service.job.deadline;
            }
          else
            {
              Type = "exec";
              Restart = "always";
              RestartSec = "1s";
              RestartSteps = 5;
              RestartMaxDelaySec = "30s";
            }
        )
        // lib.optionalAttrs (isJob && !isTimed) {
          StateDirectory = jobsFolder;
          ExecStartPost = "${pkgs.coreutils}/bin/touch /var/lib/${done service}";
        }
        // lib.optionalAttrs (service.volumes != [ ]) {
          # systemd makes the folders before the replica starts, and keeps them.
          StateDirectory = lib.concatMapStringsSep " " (
            volume: "${volumesFolder service index}/${volume}"
          ) service.volumes;
          StateDirectoryMode = "0700";
        }
        // lib.optionalAttrs (service.secretFiles != { }) {
          LoadCredential = lib.mapAttrsToList (
            path: source: "${credentialName path}:${source}"
          ) service.secretFiles;
        }
        // lib.optionalAttrs (service.secretEnvironment != null && !isContainer) {
          EnvironmentFile = service.secretEnvironment;
        }
        // lib.optionalAttrs isContainer {
          Delegate = true;
          # podman passes the signal on; the rest of the group is killed when the time is up.
          KillMode = "mixed";
          ExecStopPost = "-" + commandLine [ podman "rm" "--force" "--ignore" (containerName service index) ];
        };
      };
    };
in
{
  options.icefield = {
    cluster = mkOption {
      type = types.str;
      description = "The cluster's name.";
    };
    node = mkOption {
      type = types.str;
      description = "The node's name.";
    };
    address = mkOption {
      type = types.str;
      description = "The address that the node's replicas listen on and are reached by.";
    };
    openFirewall = mkOption {
      type = types.bool;
      default = true;
      description = "Whether the firewall lets TCP connections to the replicas' ports in.";
    };
    services = mkOption {
      type = types.attrsOf (types.submodule serviceModule);
      default = { };
      description = "The services that have a replica on this node.";
    };
  };

  config = {
    systemd.services = builtins.listToAttrs (eachReplica [ "exec" "nix" "container" ] unit);

    systemd.timers = builtins.listToAttrs (
      lib.concatMap (
        service:
        map (index: {
          name = "icefield-${service.name}@${index}";
          value = {
            description = "Times of the job ${service.name}";
            wantedBy = [ "timers.target" ];
            timerConfig = {
              OnCalendar = service.job.calendar;
              AccuracySec = "1s";
              # What was missed while the machine was off is made up for once.
              Persistent = true;
            };
          };
        }) (builtins.attrNames service.replicas)
      ) (builtins.filter (service: service.job != null && service.job.calendar != [ ]) services)
    );

    # Mounted when their replica starts, not when the machine does.
    systemd.mounts = lib.concatMap (
      service:
      lib.concatMap (
        index:
        lib.mapAttrsToList (
          volume: mount:
          mount
          // {
            where = "/var/lib/${volumesFolder service index}/${volume}";
            wants = [ "network-online.target" ];
            after = [ "network-online.target" ];
          }
        ) service.mounts
      ) (builtins.attrNames service.replicas)
    ) services;

    # No unit of ours makes the folders of what runs otherwise.
    systemd.tmpfiles.rules = lib.concatMap (folder: [ "d ${folder} 0700 - - -" ]) (
      builtins.concatLists (eachReplica [ "microvm" "nixos" ] (_: _: replica: replica.volumes))
    );

    virtualisation.podman.enable = lib.mkIf (eachReplica [ "container" ] (_: _: _: true) != [ ]) true;

    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall (
      lib.concatMap (
        service: lib.concatMap (replica: builtins.attrValues replica.ports) (builtins.attrValues service.replicas)
      ) services
    );

    # What each service may know of those that it uses, and the files of its replicas.
    environment.etc = builtins.listToAttrs (
      lib.concatMap (
        service:
        lib.mapAttrsToList (used: file: {
          name = "icefield/endpoints/${used}.json";
          value.source = file;
        }) service.uses
        ++ lib.concatMap (
          index:
          lib.mapAttrsToList (path: file: {
            name = "${filesFolder service index}/${lib.removePrefix "/" path}";
            value = {
              source = file;
            }
            // lib.optionalAttrs (service.fileModes ? ${path}) { mode = service.fileModes.${path}; };
          }) service.replicas.${index}.files
        ) (builtins.attrNames service.replicas)
      ) services
    );

    system.stateVersion = lib.mkDefault "26.05";
  };
}
