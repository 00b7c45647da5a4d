/// What a namespace's placed replicas need together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Used {
    pub(crate) replicas: u64,
    pub(crate) amounts: Vec<i128>,
}
