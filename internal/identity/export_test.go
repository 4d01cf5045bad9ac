package identity

import "context"

// Guess counts a guess at a password without hashing one, for tests that guess often; Guessed says that one
// was right.
func (s *Service) Guess(ctx context.Context, email string, b Browser) error {
	return s.guess(ctx, email, b)
}

// Guessed is the other half of Guess.
func (s *Service) Guessed(ctx context.Context, email string, b Browser) { s.guessed(ctx, email, b) }
