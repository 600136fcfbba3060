package store

// OrZero returns the value of a column that may be NULL, the zero value for NULL.
func OrZero[T any](column *T) T {
	if column == nil {
		return *new(T)
	}
	return *column
}

// Null returns a value for a column that may be NULL, NULL for the zero value.
func Null[T comparable](value T) *T {
	if value == *new(T) {
		return nil
	}
	return &value
}
