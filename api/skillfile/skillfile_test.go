package skillfile

import "testing"

func TestRender(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body, args, want string
		placed           bool
	}{
		{"Do $ARGUMENTS!", "x y", "Do x y!", true},
		{"$0 and $1 and $2", "a 'b c'", "a and b c and $2", true},
		{"$ARGUMENTS[1]-$ARGUMENTS[9]", "a b", "b-$ARGUMENTS[9]", true},
		{"no place", "a", "no place", false},
		{"costs $ 5", "a", "costs $ 5", false},
		{"$ARGUMENTS", "$0 $ARGUMENTS", "$0 $ARGUMENTS", true},
	} {
		got, placed := File{Body: c.body}.Render(c.args)
		if got != c.want || placed != c.placed {
			t.Errorf("%q with %q: %q %v", c.body, c.args, got, placed)
		}
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "x", "---\nname: a\n", "---\nname: a\n---\n", "---\ndescription: x\n---\n", "---\n[\n---\n",
		"---\nname: a/b\ndescription: x\n---\n", "---\nname: a\ndescription: x\xff\n---\n", "---\nname: {}\ndescription: x\n---\n"} {
		if sk, err := Parse([]byte(s)); err == nil {
			t.Errorf("%q: %+v", s, sk)
		}
	}
	if sk, err := Parse([]byte("\uFEFF---\r\nname: a\r\ndescription: \"b: c\"\r\n---\r\nbody\r\n")); err != nil || sk.Body != "body\n" {
		t.Errorf("%+v %v", sk, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("---\nname: a\ndescription: Does a.\n---\nb"))
	f.Add([]byte("---\nname: &a [*a]\n---"))
	f.Fuzz(func(t *testing.T, b []byte) {
		sk, err := Parse(b)
		if err == nil && (sk.Name == "" || sk.Description == "") {
			t.Errorf("%q: %+v", b, sk)
		}
		sk.Render(string(b))
	})
}
