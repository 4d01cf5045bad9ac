package identity

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
)

const (
	// DeviceLife is how long a command line waits for approval, DevicePoll how often it may ask.
	DeviceLife = 10 * time.Minute
	DevicePoll = 5 * time.Second

	// deviceLetters make no words and are told apart on any screen.
	deviceLetters = "BCDFGHJKLMNPQRSTVWXZ"
	deviceLen     = 8
)

// Decision is what a person made of a device's request.
type Decision string

// The decisions; a request is open while it has none.
const (
	DeviceApproved Decision = "approved"
	DeviceDenied   Decision = "denied"
)

// Device is a command line that waits for somebody to approve it in a browser.
type Device struct {
	Hash      []byte // SHA-256 of the code it polls with
	Code      string // what a person compares, eight letters
	Browser          // where it asks from
	CreatedAt time.Time
	ExpiresAt time.Time
	PolledAt  time.Time
	Decision  Decision
	UserUID   string // who decided
	TeamUID   string // the team its key will work for
}

// DeviceState is what a poll finds.
type DeviceState string

// The states of a device's request.
const (
	DevicePending DeviceState = "authorization_pending"
	DeviceSlow    DeviceState = "slow_down"
	DeviceRefused DeviceState = "access_denied"
	DeviceExpired DeviceState = "expired_token"
	DeviceReady   DeviceState = ""
)

// StartDevice begins a device's request and returns the secret it polls with.
func (s *Service) StartDevice(ctx context.Context, b Browser) (string, Device, error) {
	b = b.clean()
	if err := s.attempt(ctx, limitDevices, "devices "+b.Address); err != nil {
		return "", Device{}, err
	}
	secret, now := rand.Text()+rand.Text(), s.now()
	hash := hashOf(secret)
	d := Device{Hash: hash[:], Code: deviceCode(), Browser: b, CreatedAt: now, ExpiresAt: now.Add(DeviceLife)}
	if err := s.cfg.Store.PutDevice(ctx, d); err != nil {
		return "", Device{}, fmt.Errorf("start device: %w", err)
	}
	return secret, d, nil
}

// deviceCode draws the letters a person compares.
func deviceCode() string {
	b := make([]byte, 0, deviceLen)
	for one := make([]byte, 1); len(b) < deviceLen; {
		_, _ = rand.Read(one) // documented never to fail
		if n := len(deviceLetters); int(one[0]) < 256-256%n {
			b = append(b, deviceLetters[int(one[0])%n])
		}
	}
	return string(b)
}

// spellCode reads a code as people type it.
func spellCode(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(deviceLetters, r) {
			return r
		}
		return -1
	}, strings.ToUpper(s))
}

// DeviceByCode returns the open request that a person sees the code of. Guesses are counted.
func (s *Service) DeviceByCode(ctx context.Context, actor Actor, code string) (Device, error) {
	if err := actor.Check(PermAccount); err != nil {
		return Device{}, err
	}
	subject := "codes " + actor.UID
	if err := s.attempt(ctx, limitAddress, subject); err != nil {
		return Device{}, err
	}
	code = spellCode(code)
	d, err := s.cfg.Store.DeviceByCode(ctx, code)
	if notFound(err) || err == nil && !d.open(s.cfg.Now()) {
		return Device{}, errDevice()
	}
	if err != nil {
		return Device{}, fmt.Errorf("look up device: %w", err)
	}
	s.succeeded(ctx, subject)
	return d, nil
}

func (d Device) open(now time.Time) bool { return d.Decision == "" && now.Before(d.ExpiresAt) }

func errDevice() error {
	return api.Fail(api.PlatformErrorCodeResourceNotFound, "nothing waits for this code: it was mistyped, used or too old")
}

// DecideDevice approves a device, which then acts as the person in the team worked for, or denies it.
func (s *Service) DecideDevice(ctx context.Context, actor Actor, code string, decision Decision) error {
	if err := actor.Check(PermAccount); err != nil {
		return err
	}
	if decision == DeviceApproved && actor.TeamUID == "" {
		return api.Fail(api.PlatformErrorCodeNotAuthorized, "who is in no team has nothing a key could open")
	}
	code = spellCode(code)
	err := s.cfg.Store.DecideDevice(ctx, code, func(d *Device) error {
		if !d.open(s.cfg.Now()) {
			return errDevice()
		}
		d.Decision, d.UserUID, d.TeamUID = decision, actor.UID, actor.TeamUID
		return nil
	})
	if notFound(err) {
		return errDevice()
	}
	if err != nil {
		return fmt.Errorf("decide device: %w", err)
	}
	act := ActDenyDevice
	if decision == DeviceApproved {
		act = ActApproveDevice
	}
	s.did(actor, act, code)
	return nil
}

// PollDevice says how far a device's request is. Once it is approved the answer is a personal key, for
// the one time it can be shown, and the request is over.
func (s *Service) PollDevice(ctx context.Context, secret string) (DeviceState, string, Key, error) {
	if !wellFormed(secret) {
		return DeviceExpired, "", Key{}, nil
	}
	key, hash := NewKey(), hashOf(secret)
	var state DeviceState
	var made Key
	err := s.cfg.Store.PollDevice(ctx, hash[:], func(d *Device) (*Key, bool, error) {
		now := s.now()
		early := now.Sub(d.PolledAt) < DevicePoll
		d.PolledAt = now
		switch {
		case !now.Before(d.ExpiresAt):
			state = DeviceExpired
			return nil, true, nil
		case d.Decision == DeviceDenied:
			state = DeviceRefused
			return nil, true, nil
		case d.Decision == DeviceApproved:
			state, made = DeviceReady, s.deviceKey(*d, key)
			return &made, true, nil
		case early:
			state = DeviceSlow
		default:
			state = DevicePending
		}
		return nil, false, nil
	})
	if notFound(err) {
		return DeviceExpired, "", Key{}, nil
	}
	if err != nil {
		return "", "", Key{}, fmt.Errorf("poll device: %w", err)
	}
	if state != DeviceReady {
		return state, "", Key{}, nil
	}
	s.did(Actor{UID: made.OwnerUID, TeamUID: made.TeamUID}, ActIssueDeviceKey, made.UID)
	return DeviceReady, key, made, nil
}

// deviceKey is the key that an approved device gets.
func (s *Service) deviceKey(d Device, secret string) Key {
	k := s.sealKey(Key{
		Name: firstOf(d.Device, "command line"), OwnerType: OwnerUser, OwnerUID: d.UserUID, TeamUID: d.TeamUID,
		Role: RoleAdmin, Scopes: Scopes{ScopeFull}, CreatorUID: d.UserUID,
	}, secret)
	if s.cfg.DeviceKeyLife > 0 {
		k.ExpiresAt = k.CreatedAt.Add(s.cfg.DeviceKeyLife)
	}
	return k
}
