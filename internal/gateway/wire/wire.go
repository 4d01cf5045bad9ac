// Package wire owns what the model vendors' protocols look like from outside: the paths they are
// spoken on, the shape of their errors and the framing of their event streams. It refuses to know
// who speaks and what is said.
package wire

import (
	"strings"

	"github.com/cadrehq/cadre/api"
)

// Call is what one HTTP request to a vendor asks for.
type Call string

// The calls that are understood.
const (
	CallMessages    Call = "messages"     // Anthropic Messages
	CallCountTokens Call = "count_tokens" // Anthropic token counting, free of charge
	CallResponses   Call = "responses"    // OpenAI Responses
	CallChat        Call = "chat"         // OpenAI Chat Completions
	CallModels      Call = "models"       // a vendor's list of models
)

// Wire is the protocol the call belongs to; it decides the shape of errors.
func (c Call) Wire() api.ModelWire {
	switch c {
	case CallMessages, CallCountTokens:
		return api.ModelWireAnthropicMessages
	case CallResponses:
		return api.ModelWireOpenaiResponses
	default:
		return api.ModelWireOpenaiChat
	}
}

// Metered tells whether the call consumes tokens that someone pays for.
func (c Call) Metered() bool {
	return c == CallMessages || c == CallResponses || c == CallChat
}

// Path is the call's path below a vendor's API version, as in "/messages".
func (c Call) Path() string {
	switch c {
	case CallMessages:
		return "/messages"
	case CallCountTokens:
		return "/messages/count_tokens"
	case CallResponses:
		return "/responses"
	case CallChat:
		return "/chat/completions"
	default:
		return "/models"
	}
}

// CallOf recognises the call a path ends in; ok is false for any other path.
func CallOf(path string) (c Call, ok bool) {
	for _, c := range []Call{CallCountTokens, CallMessages, CallResponses, CallChat, CallModels} {
		if strings.HasSuffix(path, c.Path()) {
			return c, true
		}
	}
	return "", false
}
