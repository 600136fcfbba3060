package impl

// value returns an optional text. An absent text is the same as an empty one (RFC 6749 section
// 3.2).
func value[S ~string](text *S) string { return string(orZero(text)) }

// orZero returns an optional field, or its zero value if it is absent.
func orZero[T any](field *T) T {
	if field == nil {
		var zero T
		return zero
	}
	return *field
}

// optional returns a field that is absent if its value is zero.
func optional[T comparable](field T) *T {
	if field == *new(T) {
		return nil
	}
	return &field
}

// bodies returns a list with each entry as body makes it. The list is never null.
func bodies[From, To any](list []From, body func(From) To) []To {
	made := make([]To, len(list))
	for i, entry := range list {
		made[i] = body(entry)
	}
	return made
}

// texts returns a list of texts of another type.
func texts[To, From ~string](list []From) []To {
	return bodies(list, func(text From) To { return To(text) })
}
