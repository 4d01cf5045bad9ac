// Package client is the Go client of the Cadre API.
//
// It owns talking to a server well: authentication, retries as the server asks for them, paging,
// following a session across lost connections, and problem documents read back as *api.Failure. It
// decides nothing about runs and reads neither flags nor the environment.
//
//	c, err := client.New("http://127.0.0.1:8787", key, client.Options{})
//	accepted, err := c.CreateRun(ctx, api.RunAgentRequest{Prompt: "fix the failing test"})
//	for event, err := range c.Follow(ctx, accepted.RunId, 0) {
//		...
//	}
//
// Every method takes a context; cancelling it ends the call, its retries and its streams. Errors
// the server answered match by code:
//
//	errors.Is(err, api.Fail(api.PlatformErrorCodeResourceNotFound, ""))
package client
