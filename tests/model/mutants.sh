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
# pauses and termination
./saga a pause mut=pausesends
./saga a pause mut=pauseundo
./saga one pause mut=pauselimit
./saga cp pause mut=pauselost      # ok: the late answer to the action settles it
./saga a restore pause mut=pauselost
./saga one term mut=termforget
./saga one term mut=termfailed
./saga one term mut=termundo
./saga one term mut=termasks
# delayed starts
./saga one sched mut=cancelbegins
./saga one sched mut=beginstwice
./saga one sched restore mut=schedtrusts
./saga cp sched restore mut=schedtrusts
./saga one sched restore term mut=schedterm
./saga one sched mut=moveignored
./saga one sched mut=movelost
./saga one sched pause mut=pausebegins
# the horizon. The second kit of a rolling upgrade (`old`) has no memory: only the lag protects it
python3 horizon.py window=1 lie mut=removefirst
python3 horizon.py window=1 lie mut=lower
python3 horizon.py window=1 lie mut=comesback
python3 horizon.py window=1 lie mut=split
python3 horizon.py window=1 lie mut=exceptionsforgotten
python3 horizon.py window=1 lie mut=exceptionsremoved
python3 horizon.py window=1 lie mut=rowignored
python3 horizon.py window=1 lie mut=coveredrow      # ok: harmless, nobody waits for the answer any more
python3 horizon.py window=1 lie workers mut=readfirst
python3 horizon.py window=1 lie mut=noexceptions
python3 horizon.py window=1 lie mut=stuckforgotten
python3 horizon.py window=1 lie mut=announcefirst
python3 horizon.py window=1 lie mut=unchecked
python3 horizon.py window=1 lie mut=exceptatclose      # ok: the memory is enough as long as nothing is restored
python3 horizon.py window=1 lie restore mut=exceptatclose
python3 horizon.py expiry=1 old mut=exceptatclose
python3 horizon.py window=1 lie restore mut=nowindow
python3 horizon.py window=1 lie restore mut=sametick
python3 horizon.py window=1 lie restore mut=nohold
python3 horizon.py window=1 lie restore mut=listedforgotten
python3 horizon.py expiry=2 mut=noexpiry      # ok: the memory is enough
python3 horizon.py expiry=2 old mut=noexpiry
python3 horizon.py expiry=1 skew=2 old end=5 mut=noskew
python3 horizon.py window=1 skew=1 lie restore mut=noskew
# the sweep
python3 sweep.py role=open mut=known
python3 sweep.py role=finished mut=known
python3 sweep.py role=new mut=oldlist
python3 sweep.py mut=nofloor
python3 sweep.py mut=floorlater
python3 sweep.py mut=floorwithoutrow
python3 sweep.py mut=sameincarnation
python3 sweep.py mut=staleanswer
python3 sweep.py mut=nohold
python3 sweep.py role=finished mut=purgeearly
python3 sweep.py role=purged mut=purgedlost
python3 sweep.py mut=acceptedforgotten
python3 sweep.py mut=undoadopted
python3 sweep.py mut=nobarrier
python3 sweep.py pa_restore mut=askedagain
python3 sweep.py pa_restore mut=askedlate
