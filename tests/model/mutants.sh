#!/bin/sh
# each mutant with the smallest configuration that catches it; expected VIOLATED or LIVENESS, but for the three marked
./saga b runs=1 mut=failrem wipe
./saga pr mut=failrem cancel=0 timeout=0
./saga one mut=failrem2
./saga a mut=replay      # ok: needs a restore
./saga one restore mut=replay
./saga one restore mut=noinc
./saga a restore mut=noinc
./saga a restore mut=noinc_c
./saga a mut=nodep
./saga one mut=nofence_unk
./saga cp mut=pivspent
./saga cp mut=guess
./saga d3 mut=no13b
./saga pr runs=2 mut=norun_p
./saga pr runs=2 waive mut=norun_p
./saga one park runs=2 mut=norun_p
./saga pr runs=2 mut=norun_c
./saga one park runs=2 acc mut=casrun
./saga pr runs=2 waive acc mut=casrun
./saga one acc mut=accnothing
./saga a restore mut=nowait
./saga one mut=undotwice
./saga one mut=compforget
./saga pr mut=cancelcom
./saga one wipe mut=noreask
./saga pr runs=2 mut=norun_u
./saga one mut=norun_u
./saga cp mut=rzforget
./saga one mut=early
./saga one mut=ambfail      # ok: harmless, FAILED is a hint
./saga cp mut=ambfail      # ok: harmless, FAILED is a hint
./saga one workers mut=nolock
./saga one park runs=2 acc mut=failabs
./saga one restore mut=failkeepinc      # ok: harmless here, the coordinator of a higher incarnation asks again
