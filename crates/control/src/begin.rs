/// How a server gets into a group. One whose folder has its data is in one already and goes on there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// It forms a new group with these servers, itself among them: each one's name and URL. If there are none, it is a
    /// group by itself.
    Form(Vec<(String, String)>),
    /// It joins the group of these servers.
    Join {
        /// Their URLs.
        servers: Vec<String>,
        /// The server whose place it takes.
        replaces: Option<String>,
    },
    /// Its folder must not be empty.
    Resume,
}
