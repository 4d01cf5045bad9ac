package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
)

// Start a run and watch it until it ends.
func Example() {
	ctx := context.Background()
	c, err := client.New("http://127.0.0.1:8787", os.Getenv("CADRE_API_KEY"), client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	run, err := c.CreateRun(ctx, api.RunAgentRequest{Prompt: "Fix the failing test."})
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range c.Follow(ctx, run.RunId, 0) {
		if err != nil {
			log.Fatal(err)
		}
		if event.Entry == nil {
			continue // a fragment, or a lost connection that is being made again
		}
		data, err := event.Entry.Decode()
		if err != nil {
			continue // an entry of a newer server
		}
		if message, ok := data.(api.AgentMessage); ok {
			fmt.Println(message.Text)
		}
	}
}

// List every run that waits for a person.
func ExampleClient_Runs() {
	c, err := client.New("http://127.0.0.1:8787", os.Getenv("CADRE_API_KEY"), client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	blocked := api.ListRunsParams{State: []api.RunState{api.RunStateBLOCKED}}
	for run, err := range c.Runs(context.Background(), blocked) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(run.RunId, run.Waiting.Message)
	}
}

// Tell errors apart by their code.
func ExampleRead() {
	c, err := client.New("http://127.0.0.1:8787", os.Getenv("CADRE_API_KEY"), client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	_, err = c.GetRun(context.Background(), "0190a5f2-0000-7000-8000-000000000000")
	if errors.Is(err, api.Fail(api.PlatformErrorCodeResourceNotFound, "")) {
		fmt.Println("no such run")
	}
}
