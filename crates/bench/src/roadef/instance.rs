use super::numbers::Numbers;

/// An instance of the challenge as its file has it.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) resources: Vec<Resource>,
    pub(super) machines: Vec<Machine>,
    pub(super) services: Vec<Service>,
    pub(super) processes: Vec<Process>,
    pub(super) balances: Vec<Balance>,
    pub(super) process_move_weight: i64,
    pub(super) service_move_weight: i64,
    pub(super) machine_move_weight: i64,
}

#[derive(Debug)]
pub(super) struct Resource {
    pub(super) transient: bool,
    pub(super) load_weight: i64,
}

#[derive(Debug)]
pub(super) struct Machine {
    pub(super) neighbourhood: i64,
    pub(super) location: i64,
    /// By resource.
    pub(super) capacity: Vec<i64>,
    /// By resource: above it, use costs.
    pub(super) safety: Vec<i64>,
    /// By machine that a process goes to.
    pub(super) move_cost: Vec<i64>,
}

#[derive(Debug)]
pub(super) struct Service {
    /// How many locations it is in, at least.
    pub(super) spread: u32,
    /// The services that it needs in its neighbourhoods.
    pub(super) needs: Vec<u32>,
}

#[derive(Debug)]
pub(super) struct Process {
    pub(super) service: u32,
    /// By resource.
    pub(super) requirement: Vec<i64>,
    pub(super) move_cost: i64,
}

/// Costs `weight` × max(0, `target` × free(`first`) − free(`second`)) on every machine.
#[derive(Debug)]
pub(super) struct Balance {
    pub(super) first: u32,
    pub(super) second: u32,
    pub(super) target: i64,
    pub(super) weight: i64,
}

impl Instance {
    /// Reads the model's file; an error names the line.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut all = Numbers::new(text);
        let numbers = &mut all;
        let count = numbers.count(|| "the number of resources".into())?;
        let resources: Vec<Resource> =
            (0..count).map(|index| Resource::parse(numbers, index)).collect::<Result<_, _>>()?;
        let count = numbers.count(|| "the number of machines".into())?;
        let machine = |index| Machine::parse(numbers, index, resources.len(), count);
        let machines: Vec<Machine> = (0..count).map(machine).collect::<Result<_, _>>()?;
        let count = numbers.count(|| "the number of services".into())?;
        let services: Vec<Service> =
            (0..count).map(|index| Service::parse(numbers, index, count)).collect::<Result<_, _>>()?;
        let count = numbers.count(|| "the number of processes".into())?;
        let process = |index| Process::parse(numbers, index, services.len(), resources.len());
        let processes = (0..count).map(process).collect::<Result<_, _>>()?;
        let count = numbers.count(|| "the number of balances".into())?;
        let balances =
            (0..count).map(|index| Balance::parse(numbers, index, resources.len())).collect::<Result<_, _>>()?;
        let mut weight = |of: &str| numbers.amount(|| format!("the weight of {of} moves"));
        let [process_move_weight, service_move_weight, machine_move_weight] =
            [weight("process")?, weight("service")?, weight("machine")?];
        all.end()?;
        Ok(Self {
            resources,
            machines,
            services,
            processes,
            balances,
            process_move_weight,
            service_move_weight,
            machine_move_weight,
        })
    }

    /// Reads an assignment: the machine of each process.
    pub(super) fn parse_assignment(&self, text: &str) -> Result<Vec<u32>, String> {
        let mut numbers = Numbers::new(text);
        let place = |process| numbers.index(self.machines.len(), || format!("the machine of process {process}"));
        let places = (0..self.processes.len()).map(place).collect::<Result<_, _>>()?;
        numbers.end()?;
        Ok(places)
    }
}

impl Resource {
    fn parse(numbers: &mut Numbers<'_>, index: usize) -> Result<Self, String> {
        let transient = numbers.next(0..=1, || format!("whether resource {index} is transient"))? == 1;
        Ok(Self { transient, load_weight: numbers.amount(|| format!("the load weight of resource {index}"))? })
    }
}

impl Machine {
    fn parse(numbers: &mut Numbers<'_>, index: usize, resources: usize, machines: usize) -> Result<Self, String> {
        let neighbourhood = numbers.amount(|| format!("the neighbourhood of machine {index}"))?;
        let location = numbers.amount(|| format!("the location of machine {index}"))?;
        let mut list = |what: &str, count: usize| -> Result<Vec<i64>, String> {
            (0..count).map(|at| numbers.amount(|| format!("{what} {at} of machine {index}"))).collect()
        };
        let (capacity, safety) =
            (list("the capacity of resource", resources)?, list("the safety capacity of resource", resources)?);
        Ok(Self {
            neighbourhood,
            location,
            capacity,
            safety,
            move_cost: list("the cost of a move to machine", machines)?,
        })
    }
}

impl Service {
    fn parse(numbers: &mut Numbers<'_>, index: usize, services: usize) -> Result<Self, String> {
        let spread = numbers.next(0..=i64::from(u32::MAX), || format!("the least spread of service {index}"))? as u32;
        let count = numbers.count(|| format!("the number of dependencies of service {index}"))?;
        let need = |at| numbers.index(services, || format!("dependency {at} of service {index}"));
        Ok(Self { spread, needs: (0..count).map(need).collect::<Result<_, _>>()? })
    }
}

impl Process {
    fn parse(numbers: &mut Numbers<'_>, index: usize, services: usize, resources: usize) -> Result<Self, String> {
        let service = numbers.index(services, || format!("the service of process {index}"))?;
        let requirement = |at| numbers.amount(|| format!("what process {index} needs of resource {at}"));
        let requirement = (0..resources).map(requirement).collect::<Result<_, _>>()?;
        Ok(Self { service, requirement, move_cost: numbers.amount(|| format!("the cost of moving process {index}"))? })
    }
}

impl Balance {
    fn parse(numbers: &mut Numbers<'_>, index: usize, resources: usize) -> Result<Self, String> {
        let first = numbers.index(resources, || format!("the first resource of balance {index}"))?;
        let second = numbers.index(resources, || format!("the second resource of balance {index}"))?;
        let target = numbers.amount(|| format!("the target of balance {index}"))?;
        Ok(Self { first, second, target, weight: numbers.amount(|| format!("the weight of balance {index}"))? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roadef::tests::MODEL;

    #[test]
    fn reads_a_model() {
        let instance = Instance::parse(MODEL).unwrap();
        assert_eq!((instance.machines.len(), instance.services.len(), instance.processes.len()), (2, 2, 3));
        assert_eq!((instance.machines[1].location, &instance.machines[1].move_cost), (1, &vec![1, 0]));
        assert_eq!(instance.parse_assignment("0 1\n0"), Ok(vec![0, 1, 0]));
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let wrong = |text: &str| Instance::parse(text).unwrap_err();
        assert_eq!(wrong(""), "it ends after line 0; the number of resources is missing");
        assert_eq!(wrong("1\n2 10"), "line 2: whether resource 0 is transient is 2; it must be from 0 to 1");
        assert_eq!(wrong("1\n0 -1"), "line 2: the load weight of resource 0 is -1; it must be at least 0");
        assert_eq!(wrong("1\n0 1e3"), "line 2: `1e3` is no whole number; the load weight of resource 0 goes there");
        assert_eq!(
            wrong("0\n9000000000"),
            "line 2: the number of machines is 9000000000; it must be from 0 to 4294967294"
        );
        let service = MODEL.replace("1 4 1", "2 4 1");
        assert_eq!(wrong(&service), "line 12: the service of process 2 is 2; it must be from 0 to 1");
        assert_eq!(wrong(&format!("{MODEL}7")), "line 15: nothing more should follow, but `7` does");
        assert_eq!(
            wrong("0\n4000000000\n0 0"),
            "it ends after line 3; the cost of a move to machine 0 of machine 0 is missing"
        );
        assert_eq!(wrong("0 0 0 1 0"), "line 1: the service of process 0 is 0; it must be nothing, for there are none");
    }

    #[test]
    fn every_prefix_of_a_model_is_refused() {
        for end in 0..MODEL.trim_end().len() - 2 {
            assert!(Instance::parse(&MODEL[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn an_assignment_names_a_machine_for_each_process() {
        let instance = Instance::parse(MODEL).unwrap();
        let wrong = |text: &str| instance.parse_assignment(text).unwrap_err();
        assert_eq!(wrong("0 1"), "it ends after line 1; the machine of process 2 is missing");
        assert_eq!(wrong("0\n2 0"), "line 2: the machine of process 1 is 2; it must be from 0 to 1");
        assert_eq!(wrong("0 1 0 1"), "line 1: nothing more should follow, but `1` does");
    }
}
