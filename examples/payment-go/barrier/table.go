// Package barrier makes a participant safe against repeated, late and reordered commands: one row per saga and step, in
// the same PostgreSQL transaction as the business effect. It knows no Kafka. Copy it, with package wire.
package barrier

import "payment-go/wire"

// State is what a row remembers.
type State string

// The states of a row. Absent is no row at all.
const (
	Absent   State = ""
	Accepted State = "ACCEPTED"
	Done     State = "DONE"
	Rejected State = "REJECTED"
	Fenced   State = "FENCED"
	Undone   State = "UNDONE"
)

// task is what a cell of the table has done.
type task int

const (
	say  task = iota // answer from the row: no handler runs
	act              // run the action's handler
	undo             // run the compensation's handler
)

// cell is what happens to one command at one row.
type cell struct {
	task    task
	outcome wire.Outcome // what is said
	state   State        // what the row becomes; empty: it stays what it is
}

var (
	run          = cell{task: act}
	undoIt       = cell{task: undo}
	expired      = cell{outcome: wire.Expired}
	inProgress   = cell{outcome: wire.InProgress}
	succeeded    = cell{outcome: wire.Succeeded}
	rejected     = cell{outcome: wire.Rejected}
	isFenced     = cell{outcome: wire.Fenced}
	undone       = cell{outcome: wire.Undone}
	nothing      = cell{outcome: wire.NothingToUndo}
	fence        = cell{outcome: wire.Fenced, state: Fenced}
	fenceNothing = cell{outcome: wire.NothingToUndo, state: Fenced}
)

// table is the table of docs/wire.md: by the row's state and the command's kind, for a command whose run is older than the
// row's, the same, and newer. Where a cell answers, the row takes over a newer run, unless it is ACCEPTED.
var table = map[State]map[string][3]cell{
	Absent: {
		wire.Action:       {run, run, run},
		wire.Compensation: {fenceNothing, fenceNothing, fenceNothing},
		wire.Resolve:      {fence, fence, fence},
	},
	Accepted: { // a compensation that is not older leaves its wish in the row; a RESOLVE fences only where that is allowed
		wire.Action:       {inProgress, inProgress, inProgress},
		wire.Compensation: {inProgress, inProgress, inProgress},
		wire.Resolve:      {inProgress, fence, fence},
	},
	Done: {
		wire.Action:       {succeeded, succeeded, succeeded},
		wire.Compensation: {succeeded, undoIt, undoIt},
		wire.Resolve:      {succeeded, succeeded, succeeded},
	},
	Rejected: {
		wire.Action:       {rejected, rejected, run},
		wire.Compensation: {nothing, fenceNothing, fenceNothing},
		wire.Resolve:      {rejected, rejected, fence},
	},
	Fenced: {
		wire.Action:       {isFenced, isFenced, run},
		wire.Compensation: {nothing, nothing, nothing},
		wire.Resolve:      {isFenced, isFenced, isFenced},
	},
	Undone: {
		wire.Action:       {isFenced, isFenced, run},
		wire.Compensation: {undone, undone, undone},
		wire.Resolve:      {isFenced, isFenced, isFenced},
	},
}

// decide finds the cell. late: the command came after its expiry, which counts only where there is no row. fenceable: a
// RESOLVE may fence accepted work.
func decide(row *Row, c wire.Command, late, fenceable bool) cell {
	if row.State == Absent && late {
		return expired
	}
	if row.State == Accepted && !fenceable {
		return inProgress
	}
	cells := table[row.State][c.Kind]
	switch {
	case c.Run < row.Run:
		return cells[0]
	case c.Run == row.Run:
		return cells[1]
	}
	return cells[2]
}
