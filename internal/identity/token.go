package identity

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
)

// RunTokenPrefix marks run tokens, so that they are told from API keys without a lookup.
const RunTokenPrefix = "crt-1."

// RunTokenLife bounds a run token. Its power ends with its execution, far sooner: see Config.Fence
// in httpapi.
const RunTokenLife = 30 * 24 * time.Hour

// encoding refuses unused bits that are set, so that a token has one spelling only.
var encoding = base64.RawURLEncoding.Strict()

// Grant is what a run token stands for: one execution of one run, acting as a principal.
type Grant struct {
	RunID       string
	ExecutionID string
	Execution   int
	Principal   api.UserProfile // the run's executor
	TeamUID     string
	Expires     time.Time
}

// claims is the payload of a run token. Keys are short because the token travels with every call.
type claims struct {
	Run       string `json:"r"`
	Execution string `json:"e"`
	Number    int    `json:"n"`
	Principal string `json:"p"`
	Name      string `json:"a,omitempty"`
	Service   bool   `json:"s,omitempty"` // the principal is no person
	Team      string `json:"t"`
	Expires   int64  `json:"x"` // Unix seconds
}

// signer signs run tokens and links, each with a key of its own derived from the server's secret.
type signer struct {
	tokens, links []byte
}

func newSigner(secret []byte) (signer, error) {
	tokens, err := hkdf.Key(sha256.New, secret, nil, "cadre run token 1", sha256.Size)
	if err != nil {
		return signer{}, fmt.Errorf("derive token key: %w", err)
	}
	links, err := hkdf.Key(sha256.New, secret, nil, "cadre link 1", sha256.Size)
	if err != nil {
		return signer{}, fmt.Errorf("derive link key: %w", err)
	}
	return signer{tokens: tokens, links: links}, nil
}

func mac(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message)) // never fails
	return h.Sum(nil)
}

func (s signer) mint(g Grant) (string, error) {
	payload, err := json.Marshal(claims{
		Run: g.RunID, Execution: g.ExecutionID, Number: g.Execution,
		Principal: g.Principal.Uid, Name: g.Principal.DisplayName, Team: g.TeamUID,
		Service: g.Principal.Type == api.UserProfileTypeServiceAccount, Expires: g.Expires.Unix(),
	})
	if err != nil {
		return "", fmt.Errorf("encode run token: %w", err)
	}
	body := encoding.EncodeToString(payload)
	return RunTokenPrefix + body + "." + encoding.EncodeToString(mac(s.tokens, body)), nil
}

// open verifies a run token and returns the actor it stands for. The signature is checked before
// anything of the payload is looked at.
func (s signer) open(token string, now time.Time) (Actor, bool) {
	body, signature, ok := strings.Cut(strings.TrimPrefix(token, RunTokenPrefix), ".")
	if !ok {
		return Actor{}, false
	}
	got, err := encoding.DecodeString(signature)
	if err != nil || !hmac.Equal(got, mac(s.tokens, body)) {
		return Actor{}, false
	}
	payload, err := encoding.DecodeString(body)
	if err != nil {
		return Actor{}, false
	}
	var c claims
	if err := json.NewDecoder(bytes.NewReader(payload)).Decode(&c); err != nil || now.Unix() >= c.Expires {
		return Actor{}, false
	}
	return Actor{
		Kind: KindRun, UID: c.Principal, Name: c.Name, TeamUID: c.Team, service: c.Service,
		RunID: c.Run, ExecutionID: c.Execution, Execution: c.Number,
	}, true
}

func (s signer) signLink(path string, expires time.Time) string {
	message := path + "\n" + strconv.FormatInt(expires.Unix(), 10)
	return encoding.EncodeToString(mac(s.links, message))
}

func (s signer) verifyLink(path string, expires time.Time, signature string) bool {
	got, err := encoding.DecodeString(signature)
	message := path + "\n" + strconv.FormatInt(expires.Unix(), 10)
	return err == nil && hmac.Equal(got, mac(s.links, message))
}
