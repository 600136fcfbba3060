package store

// batchRows is how many rows one statement of [InBatches] deletes at most, so that none runs for
// long.
const batchRows = 1000

// InBatches repeats a statement that deletes at most a batch of rows, until there are no more.
// remove returns how many rows it has deleted. InBatches returns the number of all of them, and
// fails as [Error] says.
func InBatches(remove func(batch int32) (int64, error)) (total int64, err error) {
	for n := int64(batchRows); n == batchRows; total += n {
		if n, err = remove(batchRows); err != nil {
			return total, Error(err)
		}
	}
	return total, nil
}
