// Package catalog owns the shared definitions that runs are made from: environments, runners (shapes of
// machine), saved prompts, MCP servers and rules. It refuses to know how they are carried out.
//
// A definition is a named thing that a team or a person owns. What all kinds have in common (who may see
// and change it, how many there may be, how it is found by id or name) is in Shelf, once; a file per kind
// says what it may contain. Whoever uses the team's may see it; changing it takes an admin, since its
// commands run in everybody's sandboxes. A team's things refer to the team's only: what the others of the
// team cannot see must not work for one of them and fail for the rest. For users: docs/configuration.md.
package catalog
