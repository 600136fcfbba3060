package transfer

import (
	"cmp"
	"maps"
	"slices"

	"github.com/latchkey-auth/latchkey/impl/auth"
)

// Report is what became of the lines of a file.
type Report struct {
	Imported int `json:"imported"`
	// Existing are users that were there already, and were left as they are.
	Existing int `json:"existing"`
	// NotImported are lines with problems.
	NotImported int `json:"not_imported"`
	// Behind are users that the other system has and nobody can log in as, by the reason.
	Behind map[string]int `json:"left_behind"`
	// Renamed are users that got another username.
	Renamed int `json:"renamed"`
	// Roles are the imported users by their roles.
	Roles map[string]int `json:"roles"`
	// Passwords are the imported users by the format of their hash. Those without a password are
	// below [NoPassword].
	Passwords map[string]int `json:"passwords"`
	// Problems are the problems by pointer and code.
	Problems map[ProblemKind]int `json:"-"`
}

// NoPassword stands for the users without a password in [Report.Passwords].
const NoPassword = "none"

// ProblemKind are problems that are alike.
type ProblemKind struct{ Pointer, Code string }

// maxKinds bounds the kinds of problems: the names of unknown members are the file's own.
const maxKinds = 100

func newReport() *Report {
	return &Report{
		Behind: map[string]int{}, Roles: map[string]int{}, Passwords: map[string]int{}, Problems: map[ProblemKind]int{},
	}
}

// Lines returns how many lines were read.
func (r *Report) Lines() int {
	lines := r.Imported + r.Existing + r.NotImported
	for _, n := range r.Behind {
		lines += n
	}
	return lines
}

// count counts a user, and returns its problems.
func (r *Report) count(line Line, out auth.ImportOutcome) (problems []Problem) {
	switch {
	case len(out.Refused) > 0:
		r.NotImported++
		for _, f := range out.Refused {
			problems = append(problems, Problem{Line: line.Number, Pointer: "/" + f.Field, Code: f.Code, Detail: f.Detail})
		}
		return problems
	case out.Exists:
		r.Existing++
		return nil
	}
	r.Imported++
	if out.Renamed || line.Unnamed {
		r.Renamed++
	}
	for _, role := range line.Record.Roles {
		r.Roles[role]++
	}
	if out.HashFormat != "" && out.HashErr == nil {
		r.Passwords[out.HashFormat]++
		return nil
	}
	r.Passwords[NoPassword]++
	if out.HashErr != nil {
		return []Problem{{
			Line: line.Number, Pointer: "/password_hash", Code: "unusable_hash", Imported: true, Detail: out.HashErr.Error(),
		}}
	}
	return nil
}

func (r *Report) addProblem(p Problem) {
	kind := ProblemKind{p.Pointer, p.Code}
	if _, known := r.Problems[kind]; !known && len(r.Problems) >= maxKinds {
		kind.Pointer = ""
	}
	r.Problems[kind]++
}

// Kinds returns the kinds of problems, sorted.
func (r *Report) Kinds() []ProblemKind {
	return slices.SortedFunc(maps.Keys(r.Problems), func(a, b ProblemKind) int {
		return cmp.Or(cmp.Compare(a.Pointer, b.Pointer), cmp.Compare(a.Code, b.Code))
	})
}
