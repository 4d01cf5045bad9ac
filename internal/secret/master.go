package secret

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
)

const (
	// masterBytes is the length of a master key: AES-256.
	masterBytes = 32
	// maxMasterFile bounds what is read as a file of master keys, maxMasters what it may hold.
	maxMasterFile = 64 << 10
	maxMasters    = 32
)

// master is a key that seals data keys.
type master struct {
	id   string
	aead tink.AEAD
}

// masters are the master keys a server has, by id.
type masters map[string]master

// NewMasterKey makes a master key as text: 32 random bytes in base64.
func NewMasterKey() string {
	b := make([]byte, masterBytes)
	_, _ = rand.Read(b) // documented never to fail
	return base64.StdEncoding.EncodeToString(b)
}

// MasterID names a master key in what people and the database see. It tells nothing of the key.
func MasterID(text string) (string, error) {
	m, err := parseMaster(text)
	return m.id, err
}

// parseMaster reads a key in base64 of any alphabet, padded or not.
func parseMaster(text string) (master, error) {
	plain := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	key, err := base64.RawStdEncoding.DecodeString(plain)
	if err != nil || len(key) != masterBytes {
		return master{}, fmt.Errorf("a master key is %d bytes in base64, as openssl rand -base64 %[1]d makes it", masterBytes)
	}
	a, err := subtle.NewAESGCM(key)
	if err != nil {
		return master{}, fmt.Errorf("use master key: %w", err)
	}
	sum := sha256.Sum256(append([]byte("cadre master key id\n"), key...))
	return master{id: hex.EncodeToString(sum[:6]), aead: a}, nil
}

// parseMasters reads keys that are separated by commas or white space. A line that begins with # says
// nothing. No key is in any error.
func parseMasters(text string) (masters, []string, error) {
	all := masters{}
	var order []string
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "#") {
			continue
		}
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
			m, err := parseMaster(word)
			if err != nil {
				return nil, nil, fmt.Errorf("line %d: %w", n, err)
			}
			if _, twice := all[m.id]; !twice {
				order = append(order, m.id)
			}
			all[m.id] = m
		}
	}
	if err := lines.Err(); err != nil {
		return nil, nil, err
	}
	if len(all) > maxMasters {
		return nil, nil, fmt.Errorf("there may be at most %d master keys", maxMasters)
	}
	return all, order, nil
}

const masterFileHead = `# The master keys of this Cadre installation, one per line, in base64. Without them no secret that
# it keeps can be read again: keep a copy apart from the copies of the database. Only the server
# should be able to read this file. See docs/secrets.md.
`

// readMasterFile reads a file of keys. One that others can read is refused: what it protects would be
// theirs.
func readMasterFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if info.Size() > maxMasterFile {
		return "", fmt.Errorf("%s: is larger than %d bytes", path, maxMasterFile)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return "", fmt.Errorf("%s: everybody on this machine can read it: chmod 600 it", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxMasterFile))
	return string(b), err
}

// writeMasterFile stores text in a file that only its owner can read. It appears whole or not at all, and
// is on the disk when this returns.
func writeMasterFile(path, text string) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".master-*") // 0600
	if err != nil {
		return fmt.Errorf("write master key: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write master key: %w", err), f.Close(), removeFile(f.Name()))
		}
	}()
	if _, err = f.WriteString(text); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// removeFile removes a file that may be gone already.
func removeFile(path string) error {
	if err := os.Remove(path); !missing(err) {
		return err
	}
	return nil
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
