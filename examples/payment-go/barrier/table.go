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

// cell is what happens to one command at one row.
type cell struct {
	outcome wire.Outcome // what is said; empty: what comes of the handler
	state   State        // what the row becomes; empty: it stays what it is
}

var (
	handle       = cell{}
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

type found struct {
	state State
	kind  string // of the command
}

// table is the table of docs/wire.md#the-barrier, for a command whose run is older than the row's, the same, and newer.
// Where a cell answers, the row takes over a newer run, unless it is ACCEPTED.
var table = map[found][3]cell{
	{Absent, wire.Action}:         {handle, handle, handle},
	{Absent, wire.Compensation}:   {fenceNothing, fenceNothing, fenceNothing},
	{Absent, wire.Resolve}:        {fence, fence, fence},
	{Accepted, wire.Action}:       {inProgress, inProgress, inProgress},
	{Accepted, wire.Compensation}: {inProgress, inProgress, inProgress},
	{Accepted, wire.Resolve}:      {inProgress, fence, fence}, // for work without effect before End, as here
	{Done, wire.Action}:           {succeeded, succeeded, succeeded},
	{Done, wire.Compensation}:     {succeeded, handle, handle},
	{Done, wire.Resolve}:          {succeeded, succeeded, succeeded},
	{Rejected, wire.Action}:       {rejected, rejected, handle},
	{Rejected, wire.Compensation}: {nothing, fenceNothing, fenceNothing},
	{Rejected, wire.Resolve}:      {rejected, rejected, fence},
	{Fenced, wire.Action}:         {isFenced, isFenced, handle},
	{Fenced, wire.Compensation}:   {nothing, nothing, nothing},
	{Fenced, wire.Resolve}:        {isFenced, isFenced, isFenced},
	{Undone, wire.Action}:         {isFenced, isFenced, handle},
	{Undone, wire.Compensation}:   {undone, undone, undone},
	{Undone, wire.Resolve}:        {isFenced, isFenced, isFenced},
}
