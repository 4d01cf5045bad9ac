package seed

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// common are the words tasks are made of, the commonest first.
const common = `the a to in and of for is that with on fix test it add when this not from be as error by update
failing an should build make use file or if all we run service after request code are api function user
change tests config remove server new before handle client only into migration data returns page response
type check write support value database so called timeout field instead name bug query log flaky module
cache line default path retry endpoint version can same token list which message job handler pipeline but
release login table index deploy option missing state docs package upgrade refactor parser dependency key
without stream event session memory leak header null every schema worker image format queue branch button
each secret invalid limit because metric rename format race column process lock crash print script order
one two wrong panic shell between batch child window broken settings search slow screen empty export import
invoice payment billing account webhook callback scheduler permission avatar dashboard sidebar keyboard
latency throughput allocation compiler linter snapshot artifact checkout container kernel socket proxy
certificate gateway encoder decoder unicode timezone calendar currency rounding pagination cursor
validation fixture mock coverage regression benchmark profile trace span counter histogram alert replica
failover shard partition backup restore archive retention compliance audit rollout canary feature flag
experiment rollback incident postmortem onboarding translation accessibility contrast tooltip dropdown`

// syllables make the words only some projects have.
const syllables = `ka ro mi ten sol var qui dex lum pra zor bel nix ori fen tar gul hex ima jov kel wyn ost ulm
cra pho dri sta blo gri neb vex`

// vocabulary draws words as a language does: the k-th commonest about 1/k as often as the first.
type vocabulary struct {
	words []string
	up    []float64 // cumulated frequencies
}

func newVocabulary(size int) *vocabulary {
	v := &vocabulary{words: strings.Fields(common)}
	parts := strings.Fields(syllables)
	for i := 0; len(v.words) < size; i++ {
		word := parts[i%len(parts)]
		for k := i / len(parts); ; k /= len(parts) {
			word += parts[(k+i)%len(parts)]
			if k < len(parts) {
				break
			}
		}
		v.words = append(v.words, word)
	}
	sum := 0.0
	for k := range v.words {
		sum += 1 / math.Pow(float64(k)+2, 0.95)
		v.up = append(v.up, sum)
	}
	return v
}

func (v *vocabulary) word(rng *rand.Rand) string {
	at, _ := slices.BinarySearch(v.up, rng.Float64()*v.up[len(v.up)-1])
	return v.words[min(at, len(v.words)-1)]
}

// text is a number of words, now and then a path or a ticket among them, in sentences.
func (v *vocabulary) text(rng *rand.Rand, words int) string {
	var b strings.Builder
	start := true
	for i := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		word := v.word(rng)
		switch rng.IntN(60) {
		case 0:
			word = fmt.Sprintf("%s-%d", tickets[rng.IntN(len(tickets))], rng.IntN(90_000)+1000)
		case 1:
			word = fmt.Sprintf("internal/%s/%s_test.go", v.word(rng), v.word(rng))
		case 2:
			word = fmt.Sprintf("%08x", rng.Uint32())
		}
		if start {
			word = strings.ToUpper(word[:1]) + word[1:]
		}
		b.WriteString(word)
		if start = rng.IntN(11) == 0; start && i < words-1 {
			b.WriteByte('.')
		}
	}
	return b.String()
}

var tickets = []string{"CORE", "WEB", "OPS", "PAY", "DATA"}
