use std::collections::BTreeMap;

use super::Check;
use super::totals::volumes;
use crate::{Amount, Bytes, Service, Unit, Volume, VolumeSource};

impl Check<'_> {
    /// Volumes of nodes are taken from the nodes' `disk`, where they declare that.
    pub(super) fn volumes(&mut self, path: &str, unit: &Unit) {
        for (name, volume) in &unit.volumes {
            let at = format!("{path}.volumes.{name}");
            self.source(&at, volume);
            let Some(size) = volume.size.filter(|_| volume.source.is_host()) else { continue };
            if size == Bytes::default() {
                self.report(at, "a volume of size 0 holds nothing");
            } else if let Some(disk) = self.declared.resources.get("disk").copied() {
                self.is_alike(&at, Amount::Bytes(size), disk);
            }
        }
        let disk = unit.resources.get("disk").map_or(0, |amount| u128::from(amount.get()));
        if !unit.volumes.is_empty() && volumes(unit) + disk > u128::from(Amount::MAX) {
            self.report(
                format!("{path}.volumes"),
                format!("all volumes together are too large; at most {} of disk", Bytes::MAX),
            );
        }
    }

    fn source(&mut self, at: &str, volume: &Volume) {
        if volume.size.is_some() && !volume.source.is_host() {
            self.report(at, "a volume that is not on the node takes none of its disk, so it has no size");
        }
        let plain = |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_control() || c.is_whitespace());
        let part = |text: &str| plain(text) && !text.starts_with('-') && !text.contains(['/', '@', ',']);
        match &volume.source {
            VolumeSource::Host => {}
            VolumeSource::Nfs { server, path, options, .. } => {
                if !part(server) {
                    self.report(at, format!("{server:?} is not the name or the address of a server"));
                }
                if !plain(path) || !path.starts_with('/') {
                    self.report(at, format!("{path:?} is not a whole path")).help =
                        Some("write what the server exports, like \"/export/db\"".into());
                }
                if !options.is_empty() && (!plain(options) || options.starts_with('-')) {
                    self.report(at, format!("{options:?} are not options of a mount")).help =
                        Some("write them with commas and no spaces, like \"vers=4.2,hard\"".into());
                }
            }
            VolumeSource::Rbd { pool, image, filesystem } => {
                for (what, text) in [("a pool", pool), ("an image", image), ("a file system", filesystem)] {
                    if !part(text) {
                        self.report(at, format!("{text:?} is not the name of {what}"));
                    }
                }
            }
        }
    }

    /// What only one replica may have cannot be had by several.
    pub(super) fn exclusive_volumes(&mut self, path: &str, service: &Service) {
        let exclusive = service.unit.volumes.iter().find(|(_, volume)| volume.source.is_exclusive());
        let Some((name, _)) = exclusive.filter(|_| service.daemon || service.replicas > 1) else { return };
        let message = format!("only one replica can have the volume {:?}", name.as_str());
        self.report(format!("{path}.volumes.{name}"), message).help =
            Some("let the service have one replica; an nfs() that all may have at once is shared = True".into());
    }

    /// Reports what several services and jobs want for themselves alone.
    pub(super) fn volumes_in_common(&mut self) {
        let spec = self.spec;
        let mut first: BTreeMap<String, (String, bool)> = BTreeMap::new();
        let services = spec.services.iter().map(|(name, service)| ("services", name, &service.unit));
        let jobs = spec.jobs.iter().map(|(name, job)| ("jobs", name, &job.unit));
        for (field, user, unit) in services.chain(jobs) {
            for (name, volume) in unit.volumes.iter().filter(|(_, volume)| !volume.source.is_host()) {
                let (device, exclusive) = (volume.source.device(), volume.source.is_exclusive());
                match first.get(&device) {
                    Some((other, others)) if exclusive || *others => {
                        let message = format!("{other} has {device:?} too, and only one may");
                        self.report(format!("{field}.{user}.volumes.{name}"), message);
                    }
                    Some(_) => {}
                    None => drop(first.insert(device, (format!("{:?}", user.as_str()), exclusive))),
                }
            }
        }
    }
}
