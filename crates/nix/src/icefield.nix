# What Icefield's expressions share. It needs neither nixpkgs nor a compiler: folders are put together by Nix itself.
{ system }:
let
  inherit (builtins)
    attrNames
    concatStringsSep
    filter
    foldl'
    functionArgs
    intersectAttrs
    isAttrs
    isFunction
    listToAttrs
    mapAttrs
    toJSON
    typeOf
    ;

  # What is at an attribute path; where something is missing, what there is instead.
  pick =
    what: path: value:
    foldl' (
      value: name:
      if isAttrs value && value ? ${name} then
        value.${name}
      else
        throw "${what} has no attribute ${concatStringsSep "." path}${
          if isAttrs value then "; at ${name} there is: ${concatStringsSep ", " (attrNames value)}" else ""
        }"
    ) value path;

  has = path: value: path == [ ] || (isAttrs value && value ? ${builtins.head path} && has (builtins.tail path) value.${builtins.head path});

  # A function is given what it asks for and this knows.
  called = value: if isFunction value then value (intersectAttrs (functionArgs value) { inherit system; }) else value;

  # The output with the programs.
  programsOf =
    what: value:
    if isAttrs value && value.type or "" == "derivation" then
      value.bin or value.out or value
    else
      throw "${what} is a ${typeOf value} and no derivation; name one of its attributes${
        if isAttrs value then ": ${concatStringsSep ", " (attrNames value)}" else ""
      }";

  at = set: path: foldl' (value: name: if isAttrs value then value.${name} or null else null) set path;
in
{
  fromFile =
    {
      what,
      file,
      attribute,
    }:
    programsOf what (called (pick what attribute (called (import file))));

  fromFlake =
    {
      what,
      flake,
      attribute,
    }:
    let
      outputs = builtins.getFlake flake;
      places = [
        [ "packages" system ]
        [ "legacyPackages" system ]
        [ ]
      ];
      found = filter (place: has (place ++ attribute) outputs) places;
    in
    programsOf what (
      if found == [ ] then
        pick what ([ "packages" system ] ++ attribute) outputs
      else
        pick what (builtins.head found ++ attribute) outputs
    );

  fromNixpkgs =
    {
      what,
      nixpkgs,
      attribute,
    }:
    programsOf what (pick what attribute nixpkgs);

  # A folder with the programs of a package and the unit that runs one of them.
  unit =
    {
      name,
      package,
      tree,
      manifest,
    }:
    derivation {
      inherit name system;
      builder = "builtin:buildenv";
      manifest = builtins.toFile "${name}.nix" manifest;
      derivations = [
        "true"
        "5"
        "1"
        package
        "true"
        "4"
        "1"
        (builtins.path {
          name = "${name}-unit";
          path = tree;
        })
      ];
      preferLocalBuild = true;
      allowSubstitutes = false;
    };

  # The whole system of a base.
  system =
    { evalConfig, modules }: (evalConfig { inherit system modules; }).config.system.build.toplevel;

  # The whole system of a configuration of a flake, with modules added to it.
  configured =
    {
      what,
      flake,
      configuration,
      modules,
    }:
    let
      found = pick what [ "nixosConfigurations" configuration ] (builtins.getFlake flake);
      whole = (found.extendModules { inherit modules; }).config.system.build.toplevel;
    in
    if whole.system == system then
      whole
    else
      throw "${what}: ${configuration} is a configuration for ${whole.system}; say so of its nodes by system =";

  # What NixOS modules add to a system: units, users, groups and files of /etc, as one file of JSON with the paths of all.
  service =
    {
      name,
      what,
      evalConfig,
      modules,
    }:
    let
      configOf = modules: (evalConfig { inherit system modules; }).config;
      without = configOf [ ];
      own = configOf modules;

      # What a service cannot bring along, because the whole machine has one of it.
      wholes = {
        "boot.kernelPackages" = config: at config [ "boot" "kernelPackages" "kernel" ];
        "boot.kernelParams" = config: at config [ "boot" "kernelParams" ];
        "boot.kernelModules" = config: at config [ "boot" "kernelModules" ];
        "boot.extraModulePackages" = config: at config [ "boot" "extraModulePackages" ];
        "boot.kernel.sysctl" = config: at config [ "boot" "kernel" "sysctl" ];
        "boot.initrd.kernelModules" = config: at config [ "boot" "initrd" "kernelModules" ];
        "boot.initrd.availableKernelModules" = config: at config [ "boot" "initrd" "availableKernelModules" ];
        "boot.loader.grub.enable" = config: at config [ "boot" "loader" "grub" "enable" ];
        "boot.loader.systemd-boot.enable" = config: at config [ "boot" "loader" "systemd-boot" "enable" ];
        "boot.supportedFilesystems" = config: at config [ "boot" "supportedFilesystems" ];
        "fileSystems" = config:
          mapAttrs (_: one: {
            device = one.device or null;
            fsType = one.fsType or null;
            options = one.options or null;
          }) (config.fileSystems or { });
        "swapDevices" = config: at config [ "swapDevices" ];
        "hardware.firmware" = config: at config [ "hardware" "firmware" ];
        "networking.hostName" = config: at config [ "networking" "hostName" ];
      };
      changed = filter (option: toJSON (wholes.${option} own) != toJSON (wholes.${option} without)) (attrNames wholes);

      # The entries of a set that are not in it without the modules.
      added =
        path: told:
        let
          before = at without path;
          after = at own path;
        in
        if !isAttrs after then
          { }
        else
          listToAttrs (
            map (entry: {
              name = entry;
              value = told entry after.${entry};
            }) (filter (entry: !(isAttrs before && before ? ${entry})) (attrNames after))
          );

      # The entries that are in it with and without the modules, and are others with them.
      altered =
        path: told:
        let
          before = at without path;
          after = at own path;
          isOther = entry: after ? ${entry} && told entry before.${entry} != told entry after.${entry};
        in
        if !(isAttrs before && isAttrs after) then [ ] else filter isOther (attrNames before);

      unitOf = file: unit: {
        inherit (unit) text;
        path = "${unit.unit}/${file}";
        wanted = unit.wantedBy or [ ] ++ unit.requiredBy or [ ] != [ ];
      };
      fileOf = _: file: "${file.source}";

      # NixOS puts all units into one folder of /etc, so that one is always another.
      isOwn = file: builtins.match "systemd/(system|user).*" file == null;
      changedFiles =
        map (file: "/etc/${file}") (filter isOwn (altered [ "environment" "etc" ] fileOf))
        ++ altered [ "systemd" "units" ] unitOf;

      # One that is switched off has a text all the same; NixOS keeps systemd from starting it.
      isOff = file: !(own.systemd.units.${file}.enable or true);
      withoutOff = units: removeAttrs units (filter isOff (attrNames units));

      fields = names: entry: intersectAttrs (listToAttrs (map (name: { inherit name; value = null; }) names)) entry;
      tree = {
        units = withoutOff (added [ "systemd" "units" ] unitOf);
        etc = added [ "environment" "etc" ] fileOf;
        users = added [ "users" "users" ] (
          _: fields [ "name" "uid" "group" "home" "createHome" "shell" "isSystemUser" "isNormalUser" "extraGroups" ]
        );
        groups = added [ "users" "groups" ] (_: fields [ "name" "gid" "members" ]);
      };
    in
    if changed != [ ] then
      throw "${what} sets ${concatStringsSep ", " changed}, of which the whole machine has one; its place is in a base, not in a service"
    else if changedFiles != [ ] then
      throw "${what} changes ${concatStringsSep ", " changedFiles}, which the machine has without it; its place is in a base, not in a service"
    else
      derivation {
        inherit name system;
        builder = "/bin/sh";
        args = [
          "-c"
          "printf %s \"$text\" > $out"
        ];
        text = toJSON tree;
        preferLocalBuild = true;
        allowSubstitutes = false;
      };
}
