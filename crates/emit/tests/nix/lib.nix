# As much of nixpkgs' lib as the emitted modules use, for tests without nixpkgs: the functions, and a module system that
# checks types, applies priorities and merges.
let
  inherit (builtins)
    all
    attrNames
    attrValues
    concatLists
    concatMap
    concatStringsSep
    elem
    filter
    foldl'
    functionArgs
    head
    isAttrs
    isFunction
    isList
    isPath
    length
    listToAttrs
    map
    mapAttrs
    stringLength
    substring
    typeOf
    ;

  unique = foldl' (seen: x: if elem x seen then seen else seen ++ [ x ]) [ ];
  namesOf = sets: unique (concatMap attrNames sets);
  pick = name: sets: map (set: set.${name}) (filter (set: set ? ${name}) sets);

  # Definitions of one thing without their mkIf and mkMerge, each with its priority; the strongest alone stay.
  discharge =
    definition:
    let
      kind = if isAttrs definition then definition._type or "" else "";
    in
    if kind == "if" then
      (if definition.condition then discharge definition.content else [ ])
    else if kind == "merge" then
      concatMap discharge definition.contents
    else if kind == "override" then
      map (d: d // { inherit (definition) priority; }) (discharge definition.content)
    else
      [
        {
          priority = 100;
          value = definition;
        }
      ];
  settle =
    definitions:
    let
      all = concatMap discharge definitions;
      strongest = foldl' (least: d: if d.priority < least then d.priority else least) 10000 all;
    in
    map (d: d.value) (filter (d: d.priority == strongest) all);

  same =
    path: values:
    if all (value: value == head values) values then
      head values
    else
      throw "${concatStringsSep "." path} has conflicting definitions";

  # The names that have a definition left when conditions are applied.
  definedIn = sets: filter (name: settle (pick name sets) != [ ]) (namesOf sets);

  # What no option declares: sets are merged, lists joined.
  freely =
    path: definitions:
    let
      values = settle definitions;
    in
    if all isAttrs values then
      listToAttrs (
        map (name: {
          inherit name;
          value = freely (path ++ [ name ]) (pick name values);
        }) (definedIn values)
      )
    else if all isList values then
      concatLists values
    else
      same path values;

  leaf = name: check: {
    inherit check;
    merge =
      path: definitions:
      let
        values = settle definitions;
      in
      if all check values then
        same path values
      else
        throw "${concatStringsSep "." path} is a ${typeOf (head values)}, not a ${name}";
  };
  isType = name: value: typeOf value == name;

  types = rec {
    str = leaf "string" (isType "string");
    bool = leaf "bool" (isType "bool");
    path = leaf "path" (value: isPath value || builtins.isString value);
    # A path of the store will do.
    package = leaf "package" (value: isAttrs value || builtins.isString value);
    raw = leaf "value" (_: true);
    port = leaf "port" (value: isType "int" value && value >= 0 && value < 65536);
    ints.unsigned = leaf "unsigned" (value: isType "int" value && value >= 0);
    ints.positive = leaf "positive" (value: isType "int" value && value > 0);
    enum = values: leaf "member of its list" (value: elem value values);
    nullOr = type: {
      check = value: value == null || type.check value;
      merge = path: definitions: if settle definitions == [ null ] then null else type.merge path definitions;
    };
    either = a: b: {
      check = value: a.check value || b.check value;
      merge = path: definitions: if all a.check (settle definitions) then a.merge path definitions else b.merge path definitions;
    };
    functionTo = type: {
      check = isFunction;
      # A set that can be called, as in nixpkgs, and not a function.
      merge = path: definitions: {
        __functor = _: argument: type.merge path (map (f: f argument) (settle definitions));
        __functionArgs = { };
      };
    };
    listOf = type: {
      check = isList;
      merge = path: definitions: map (item: type.merge path [ item ]) (concatLists (settle definitions));
    };
    attrsOf = type: {
      check = isAttrs;
      merge =
        path: definitions:
        let
          values = settle definitions;
          merged = name: {
            inherit name;
            value = type.merge (path ++ [ name ]) (pick name values);
          };
        in
        listToAttrs (map merged (namesOf values));
    };
    submodule = module: {
      check = value: isAttrs value || isFunction value;
      merge =
        path: definitions:
        (evaluate {
          modules = [ module ] ++ settle definitions;
          arguments.name = builtins.elemAt path (length path - 1);
          free = false;
          inherit path;
        });
    };
  };

  # All modules that `module` is or imports, with what each declares and defines.
  collect =
    arguments: module:
    let
      loaded = if isPath module || builtins.isString module then import module else module;
      applied = if isFunction loaded then loaded (arguments // mapAttrs (name: _: arguments.${name}) (functionArgs loaded)) else loaded;
      isLong = applied ? options || applied ? config;
    in
    concatMap (collect arguments) (applied.imports or [ ])
    ++ [
      {
        options = applied.options or { };
        config = if isLong then applied.config or { } else removeAttrs applied [ "imports" ];
      }
    ];

  evaluate =
    {
      modules,
      arguments,
      free ? true,
      path ? [ ],
    }:
    let
      all = concatMap (collect (arguments // { inherit lib config; })) modules;
      config = level path (map (m: m.options) all) (map (m: m.config) all);
      level =
        path: options: definitions:
        let
          sets = settle definitions;
          declared = namesOf options;
          undeclared = filter (name: !(elem name declared)) (definedIn sets);
          one = name: {
            inherit name;
            value =
              let
                here = path ++ [ name ];
                given = pick name sets;
                option = head (pick name options);
              in
              if !(elem name declared) then
                freely here given
              else if option._type or "" != "option" then
                level here (pick name options) given
              else if option.readOnly or false && given != [ ] then
                throw "${concatStringsSep "." here} is read-only"
              else if given == [ ] then
                option.default or (throw "${concatStringsSep "." here} is not defined")
              else
                option.type.merge here given;
          };
        in
        if undeclared != [ ] && (!free) then
          throw "${concatStringsSep "." path} has no option ${head undeclared}"
        else
          listToAttrs (map one (declared ++ undeclared));
    in
    config;

  lib = rec {
    inherit types concatMap;
    isFunction = f: builtins.isFunction f || (f ? __functor && isFunction (f.__functor f));
    mkOption = option: option // { _type = "option"; };
    mkIf = condition: content: {
      _type = "if";
      inherit condition content;
    };
    override = priority: content: {
      _type = "override";
      inherit priority content;
    };
    mkDefault = override 1000;
    mkForce = override 50;
    optional = condition: value: if condition then [ value ] else [ ];
    optionalAttrs = condition: value: if condition then value else { };
    mapAttrsToList = f: set: attrValues (mapAttrs f set);
    mapAttrs' = f: set: listToAttrs (mapAttrsToList f set);
    concatMapStringsSep =
      separator: f: list:
      concatStringsSep separator (map f list);
    inherit concatStringsSep;
    hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
    removePrefix =
      prefix: text:
      if substring 0 (stringLength prefix) text == prefix then
        substring (stringLength prefix) (stringLength text) text
      else
        text;
    hasInfix = part: text: builtins.replaceStrings [ part ] [ "" ] text != text;
    toUpper =
      let
        letters = text: builtins.genList (at: substring at 1 text) (stringLength text);
      in
      builtins.replaceStrings (letters "abcdefghijklmnopqrstuvwxyz") (letters "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    imap0 = f: list: builtins.genList (at: f at (builtins.elemAt list at)) (length list);
    max = a: b: if a > b then a else b;
    min = a: b: if a < b then a else b;
    getBin = package: package;
  };
in
lib // { inherit evaluate; }
