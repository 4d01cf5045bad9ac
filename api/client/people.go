package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
)

// APIKeys lists the keys the caller may see, newest first.
func (c *Client) APIKeys(ctx context.Context) ([]api.ApiKey, error) {
	v, err := Read[api.ListApiKeysResponse](c.raw.ListApiKeys(ctx))
	return v.ApiKeys, err
}

// CreateAPIKey makes a key, which is in the answer and nowhere else.
func (c *Client) CreateAPIKey(ctx context.Context, req api.CreateApiKeyRequest) (api.CreateApiKeyResponse, error) {
	return Read[api.CreateApiKeyResponse](c.raw.CreateApiKey(ctx, req))
}

// RenameAPIKey gives a key another name.
func (c *Client) RenameAPIKey(ctx context.Context, uid, name string) (api.ApiKey, error) {
	return Read[api.ApiKey](c.raw.RenameApiKey(ctx, uid, api.RenameRequest{Name: name}))
}

// RevokeAPIKey ends a key at once.
func (c *Client) RevokeAPIKey(ctx context.Context, uid string) error {
	return none(c.raw.RevokeApiKey(ctx, uid))
}

// Teams lists the caller's teams, for an operator all.
func (c *Client) Teams(ctx context.Context) ([]api.Team, error) {
	v, err := Read[api.ListTeamsResponse](c.raw.ListTeams(ctx))
	return v.Teams, err
}

// CreateTeam makes a team of which the caller is the first admin.
func (c *Client) CreateTeam(ctx context.Context, name string) (api.Team, error) {
	return Read[api.Team](c.raw.CreateTeam(ctx, api.RenameRequest{Name: name}))
}

// Members lists a team's members.
func (c *Client) Members(ctx context.Context, teamUID string) ([]api.Member, error) {
	v, err := Read[api.ListMembersResponse](c.raw.ListMembers(ctx, teamUID))
	return v.Members, err
}

// SetRole changes what a member may do.
func (c *Client) SetRole(ctx context.Context, teamUID, userUID string, role api.TeamRole) (api.Member, error) {
	return Read[api.Member](c.raw.SetMemberRole(ctx, teamUID, userUID, api.SetMemberRoleRequest{Role: role}))
}

// RemoveMember puts somebody out of a team.
func (c *Client) RemoveMember(ctx context.Context, teamUID, userUID string) error {
	return none(c.raw.RemoveMember(ctx, teamUID, userUID))
}

// Invite asks somebody into a team. The answer's link is shown once.
func (c *Client) Invite(ctx context.Context, teamUID string, req api.CreateInvitationRequest) (api.CreateInvitationResponse, error) {
	return Read[api.CreateInvitationResponse](c.raw.CreateInvitation(ctx, teamUID, req))
}

// Invitations lists the open invitations of a team, newest first.
func (c *Client) Invitations(ctx context.Context, teamUID string) ([]api.Invitation, error) {
	v, err := Read[api.ListInvitationsResponse](c.raw.ListInvitations(ctx, teamUID))
	return v.Invitations, err
}

// RevokeInvitation withdraws an invitation.
func (c *Client) RevokeInvitation(ctx context.Context, teamUID, uid string) error {
	return none(c.raw.RevokeInvitation(ctx, teamUID, uid))
}

// SignIns lists the browsers one is signed in with, latest use first.
func (c *Client) SignIns(ctx context.Context) ([]api.SignIn, error) {
	v, err := Read[api.ListSignInsResponse](c.raw.ListSignIns(ctx))
	return v.SignIns, err
}

// EndSignIn signs a browser out.
func (c *Client) EndSignIn(ctx context.Context, uid string) error {
	return none(c.raw.EndSignIn(ctx, uid))
}

// Users lists everybody, for operators.
func (c *Client) Users(ctx context.Context) ([]api.User, error) {
	v, err := Read[api.ListUsersResponse](c.raw.ListUsers(ctx))
	return v.Users, err
}

// SetOperator lets somebody manage the people and teams of the installation, or no longer.
func (c *Client) SetOperator(ctx context.Context, userUID string, operator bool) (api.User, error) {
	if operator {
		return Read[api.User](c.raw.MakeOperator(ctx, userUID))
	}
	return Read[api.User](c.raw.UnmakeOperator(ctx, userUID))
}

// SetDisabled shuts somebody out, or lets them in again.
func (c *Client) SetDisabled(ctx context.Context, userUID string, disabled bool) (api.User, error) {
	if disabled {
		return Read[api.User](c.raw.DisableUser(ctx, userUID))
	}
	return Read[api.User](c.raw.EnableUser(ctx, userUID))
}

// SignInLink makes a link that signs a person in once.
func (c *Client) SignInLink(ctx context.Context, userUID string) (api.SignInLink, error) {
	return Read[api.SignInLink](c.raw.CreateSignInLink(ctx, userUID))
}

// DeviceLogin is a request that waits for somebody to approve it in a browser.
type DeviceLogin struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	URL        string `json:"verification_uri"`
	FullURL    string `json:"verification_uri_complete"`
	ExpiresIn  int    `json:"expires_in"` // seconds
	Interval   int    `json:"interval"`   // seconds between questions
}

// ErrLoginRefused means that the person refused, or that nobody answered in time.
var ErrLoginRefused = errors.New("the login was refused or not approved in time")

// StartDeviceLogin asks the server for a code that a person approves. name says which machine asks.
func (c *Client) StartDeviceLogin(ctx context.Context, name string) (DeviceLogin, error) {
	var d DeviceLogin
	_, err := c.oauth(ctx, "/oauth/device/auth", url.Values{"device_name": {name}}, &d)
	return d, err
}

// AwaitDeviceLogin asks until the person has decided, and returns the key.
func (c *Client) AwaitDeviceLogin(ctx context.Context, d DeviceLogin) (string, error) {
	wait := time.Duration(max(d.Interval, 1)) * time.Second
	for {
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-time.After(wait):
		}
		var given struct {
			AccessToken string `json:"access_token"`
		}
		state, err := c.oauth(ctx, "/oauth/token", url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {d.DeviceCode},
		}, &given)
		switch {
		case err == nil:
			return given.AccessToken, nil
		case state == "authorization_pending":
		case state == "slow_down":
			wait += 5 * time.Second
		case state == "access_denied" || state == "expired_token":
			return "", ErrLoginRefused
		default:
			return "", err
		}
	}
}

// GiveUpKey ends a personal key, which proves by itself that its holder may.
func (c *Client) GiveUpKey(ctx context.Context, key string) error {
	_, err := c.oauth(ctx, "/oauth/revoke", url.Values{"token": {key}}, &struct{}{})
	return err
}

// oauth sends a form to the server's root. A refusal is returned with its code.
func (c *Client) oauth(ctx context.Context, path string, form url.Values, into any) (code string, err error) {
	form.Set("client_id", "cadre-cli")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.root+path, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rsp, err := c.http.Do(req)
	if err != nil {
		return "", fmt.Errorf("log in: %w", err)
	}
	defer rsp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(rsp.Body, maxProblem))
	if err != nil {
		return "", fmt.Errorf("log in: %w", err)
	}
	if rsp.StatusCode == http.StatusOK {
		if err := json.Unmarshal(b, into); err != nil {
			return "", fmt.Errorf("log in: the answer is not what this client expects; is it a Cadre server? %w", err)
		}
		return "", nil
	}
	var refusal struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	_ = json.Unmarshal(b, &refusal) // another server's page stays empty
	return refusal.Error, fmt.Errorf("log in: the server answers %d %s %s", rsp.StatusCode, refusal.Error, refusal.Description)
}
