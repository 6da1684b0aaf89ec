// Explicit-state check of the saga protocol (2-semantics.md). Breadth-first, exact visited set, shortest counterexamples.
// network = grow-only set of messages (loss, duplication, delay, reordering); optional one-time wipe of all of it.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cstdint>
#include <string>
#include <vector>
#include <map>
#include <array>
#include <functional>
#include <chrono>
using namespace std; typedef uint64_t u64; typedef uint8_t u8;
enum {IDLE,READY,ASKED,BACKOFF,DONE,NOEFF,UDUE,UASK,UBACK,RESOLV,UNDONE,STF,STB,WAIVED,CONFL};
const char*CS[]={"idle","ready","asked","backoff","done","no_effect","undo_due","undo_asked","undo_backoff","resolving","undone","stuck_forward","stuck_back","waived","CONFLICT"};
enum {RUN,SET,COM,BACK,COMPLETED,COMPENSATED,FORCED,SCH};
const char*PH[]={"RUNNING","SETTLING","COMMITTED","COMPENSATING","COMPLETED","COMPENSATED","FORCED","SCHEDULED"};
enum {ABS,ACC,RDONE,REJ,FEN,UND,RFAIL};
const char*RS[]={"absent","ACCEPTED","DONE","REJECTED","FENCED","UNDONE","FAILED"};
enum {A,C,Z}; const char*KN[]={"action","compensation","RESOLVE"};
enum {AS,AR,AF,AZ,AX,CU,CN,CF,CR,CSU,CX,ZS,ZR,ZZ,ZX};
const char*RN[]={"action:SUCCEEDED","action:REJECTED","action:FAILED","action:FENCED","action:UNSUPPORTED","comp:UNDONE","comp:NOTHING_TO_UNDO","comp:FAILED","comp:REJECTED","comp:SUCCEEDED(newer run)","comp:UNSUPPORTED","resolve:SUCCEEDED","resolve:REJECTED","resolve:FENCED","resolve:UNSUPPORTED"};
enum {eS=1,eU=2,eR=4,eN=8,eZ=16};
enum {COMP,PIV,RETR};
// edge classes: 1 good (delivery, handler succeeds, timers), 2 operator retry, 4 everything adversarial
struct Cfg{ string name; int n=2; int dep[3]={0,0,0}; int kind[3]={0,0,0}; bool none[3]={0,0,0},reads[3]={0,0,0},when[3]={0,0,0};
 int maxRun=1; bool cancel=1,timeout=1,restore=0,wipe=0,fail=1,acc=0,rej=1,compfail=0,comprej=0,unsup=0,waive=0,unsafe=0,park=0,mapf=0,workers=0,opretry=1,pause=0,term=0,sched=0;
 // readings: default = the proposed text; lit_* = the text read literally
 bool lit_acc=0,lit_fence=0,lit_undo=0,lit_done=0,lit_direct=0,lit_conf=0,lit_uback=0,lit_noadopt=0,lit_hdr=0,lit_cancel=0,lit_skip=0,lit_r12=0,lit_ev=0,lit_stb=0,lit_rz=0,lose=0,lit_resume=0,lit_whenpiv=0,lit_rpiv=0,lit_comprej=0,strictconf=0;
 // mutants
 int mut=0; u64 limit=60000000; bool live=1; int maxviol=1;
} K;
enum {M0,M_FAILREM,M_FAILREM2,M_REPLAY,M_NOINC,M_NOINC_C,M_NODEP,M_NOFENCE_UNK,M_PIVSPENT,M_NO13B,M_NORUN_P,M_NORUN_C,M_CASRUN,M_NOLOCK,M_GUESS,M_ACCNOTHING,M_NOWAIT,M_UNDOTWICE,M_CANCELCOM,M_COMPFENCEFORGET,M_NOREASK,M_NORUN_U,M_RZFORGET,M_EARLY,M_AMBFAIL,M_FAILKEEPINC,M_FAILABS,M_PAUSESENDS,M_PAUSEUNDO,M_PAUSELIMIT,M_PAUSELOST,M_TERMFORGET,M_TERMUNDO,M_TERMFAILED,M_TERMASKS,M_CANCELBEGINS,M_BEGINSTWICE,M_SCHEDTRUSTS,M_SCHEDTERM,M_MOVEIGNORED,M_MOVELOST,M_PAUSEBEGINS};
struct Cs{u8 cs,run,asked,known,comp,ev,wv,prev;};
struct Rw{u8 st,run,inc,wish,ost,orun;};
struct S{ u8 phase,inc,recov,wiped,restored,snapT,sphase,ans,viol,sre,ps,held,tm,lf[3],clk,at,sat,bg; Cs c[3],sn[3]; Rw r[3]; struct{u8 acted,undone,fence,sent,pend,wvd,sent2;} g[3]; uint16_t cmd[3]; u64 rep[3]; struct{u8 m;Rw s;} w[2][2]; };
typedef array<u64,9> PK;
static u64 pc(const Cs&c){return c.cs|(u64)c.run<<4|(u64)c.asked<<6|(u64)c.known<<7|(u64)c.comp<<8|(u64)c.ev<<9|(u64)c.wv<<14|(u64)c.prev<<15;}
static Cs uc(u64 x){Cs c;c.cs=x&15;c.run=x>>4&3;c.asked=x>>6&1;c.known=x>>7&1;c.comp=x>>8&1;c.ev=x>>9&31;c.wv=x>>14&1;c.prev=x>>15&3;return c;}
static u64 pr(const Rw&r){return r.st|(u64)r.run<<3|(u64)r.inc<<5|(u64)r.wish<<6|(u64)r.ost<<7|(u64)r.orun<<10;}
static Rw ur(u64 x){Rw r;r.st=x&7;r.run=x>>3&3;r.inc=x>>5&1;r.wish=x>>6&1;r.ost=x>>7&7;r.orun=x>>10&3;return r;}
static void pack(const S&s,PK&p){ p.fill(0);
 p[0]=s.phase|(u64)s.inc<<3|(u64)s.recov<<4|(u64)s.wiped<<5|(u64)s.restored<<6|(u64)s.snapT<<7|(u64)s.sphase<<8|(u64)s.ans<<11|(u64)s.viol<<14|(u64)s.ps<<20|(u64)s.held<<21|(u64)s.tm<<22; for(int i=0;i<K.n;i++)p[0]|=(u64)s.lf[i]<<(23+2*i); p[0]|=(u64)s.clk<<29|(u64)s.at<<31|(u64)s.sat<<33|(u64)s.bg<<35;
 for(int i=0;i<K.n;i++){ if(s.snapT)p[1]|=pc(s.sn[i])<<(17*i);
  p[3+2*i]=s.rep[i];
  p[4+2*i]=pc(s.c[i])|(pr(s.r[i])&127)<<17|(pr(s.r[i])>>7)<<49|(u64)s.g[i].acted<<24|(u64)s.g[i].undone<<26|(u64)s.g[i].fence<<28|(u64)s.g[i].sent<<30|(u64)s.g[i].pend<<32|(u64)s.cmd[i]<<34|(u64)s.g[i].wvd<<46|(u64)s.g[i].sent2<<47;}
 if(K.workers)for(int i=0;i<2&&i<K.n;i++)for(int j=0;j<2;j++)p[2]|=((u64)s.w[i][j].m|pr(s.w[i][j].s)<<4)<<(16*(2*i+j));
}
static void unpack(const PK&p,S&s){ memset(&s,0,sizeof s); s.phase=p[0]&7;s.inc=p[0]>>3&1;s.recov=p[0]>>4&1;s.wiped=p[0]>>5&1;s.restored=p[0]>>6&1;s.snapT=p[0]>>7&1;s.sphase=p[0]>>8&7;s.ans=p[0]>>11&7;s.viol=p[0]>>14&63;s.ps=p[0]>>20&1;s.held=p[0]>>21&1;s.tm=p[0]>>22&1; for(int i=0;i<K.n;i++)s.lf[i]=p[0]>>(23+2*i)&3; s.clk=p[0]>>29&3;s.at=p[0]>>31&3;s.sat=p[0]>>33&3;s.bg=p[0]>>35&1;
 for(int i=0;i<K.n;i++){ if(s.snapT)s.sn[i]=uc(p[1]>>(17*i)&0x1ffff); s.rep[i]=p[3+2*i]; u64 x=p[4+2*i]; s.c[i]=uc(x&0x1ffff);s.r[i]=ur((x>>17&127)|(x>>49&31)<<7);s.g[i].acted=x>>24&3;s.g[i].undone=x>>26&3;s.g[i].fence=x>>28&3;s.g[i].sent=x>>30&3;s.g[i].pend=x>>32&3;s.cmd[i]=x>>34&0xfff;s.g[i].wvd=x>>46&1;s.g[i].sent2=x>>47&3;}
 if(K.workers)for(int i=0;i<2&&i<K.n;i++)for(int j=0;j<2;j++){u64 x=p[2]>>(16*(2*i+j))&0xffff;s.w[i][j].m=x&15;s.w[i][j].s=ur(x>>4);}
}
enum{V0,V_NET,V_S3,V_S4,V_S5,V_S6C,V_S6F,V_COMPL,V_COMPD,V_S21,V_CONF,V_Q,V_UNDONE,V_DONE,V_FINAL,V_RET,V_PSENT,V_PLIMIT,V_TLIST,V_TSENT,V_SEARLY,V_STWICE,V_SPAUSED,V_LAST};
const char*VN[]={"","S2 net effect not in {0,1}","S3 effect twice for one run / undo without effect","S4 action committed after a fence of its run","S5 compensation sent before a dependent was settled","S6 COMPENSATING while the pivot is done","S6/S2 COMMITTED while the pivot is not done","S2 COMPLETED with a dispatched step at net 0","S2 COMPENSATED with a step at net 1","S21 COMPENSATED without covering evidence","row 20 conflict raised without restore/forgery","finished saga: an effect changed afterwards","step is undone/no_effect but its net effect is 1","step is done but its net effect is 0","S1/S7 a final or back phase changed","a retriable step was compensated or cancelled after dispatch","row 24 something was sent while paused","row 24 a pause was held against a limit","row 27 an effect is not on the list as it is","row 27 something was sent after the end","row 29 a saga began before its start time","row 29 a saga began twice","row 24 a saga began while paused"};
static int popc(int x){return __builtin_popcount(x);}
static int net(const S&s,int i){return popc(s.g[i].acted)-popc(s.g[i].undone);}
static bool fin(const S&s){return s.phase>=COMPLETED&&s.phase!=SCH;}
static bool open_(const Cs&c){return c.cs==ASKED||c.cs==BACKOFF||(c.cs==READY&&c.asked);}
static bool settled(const Cs&c){return c.cs==UNDONE||c.cs==NOEFF||c.cs==WAIVED;}
static int desc_[3]; // transitive dependents
static int ddesc[3];
static int pivot=-1;
static bool tracing=0; static string lab;
static void V(S&s,int v){ if(!s.viol) s.viol=v; }
static int cb(int k,int r,int inc){return k*4+(r-1)*2+inc;}
static void addRep(S&s,int i,int code,int r,int inc){ if(fin(s)&&!(K.restore&&!s.restored)) return; s.rep[i]|=1ull<<(code*4+(r-1)*2+inc); }
// nothing dispatched can act any more: the row covers every run sent that its incarnation does not refuse
static bool covered(const S&s,int j){ const Rw&r=s.r[j]; int need=(r.inc?s.g[j].sent2:s.g[j].sent); return (r.st==FEN||r.st==UND||r.st==REJ)&&r.run>=need&&net(s,j)==0; }
// while paused a command is due at the end of the pause: the state is entered, and the re-ask sends it
static void send(S&s,int i,int k){ Cs&c=s.c[i]; if(s.ps&&K.mut!=M_PAUSESENDS&&!(K.mut==M_PAUSEUNDO&&k==C))return; if(s.ps)V(s,V_PSENT); if(s.tm)V(s,V_TSENT); s.cmd[i]|=1<<cb(k,c.run,s.inc);
 if(k==A){c.asked=1; if(s.inc){if(s.g[i].sent2<c.run)s.g[i].sent2=c.run;} if(s.g[i].sent<c.run)s.g[i].sent=c.run;}
 if(k==C){c.comp=1;
  for(int j=0;j<K.n;j++)if((desc_[i]>>j&1)&&s.g[j].sent&&!K.none[j]&&!s.g[j].wvd){ if(!covered(s,j)) V(s,V_S5);} }
}
static int whenv=-1;
static void enterComp(S&s){ s.phase=BACK;
 for(int i=0;i<K.n;i++){Cs&c=s.c[i]; bool un=c.cs==IDLE||(c.cs==READY&&!c.asked);
  if(un && s.inc>0 && !K.lit_r12 && K.kind[i]==COMP){ // proposed: a recovered saga cannot know what it never asked
    c.asked=1; c.cs=RESOLV;send(s,i,Z); continue; }
  if(un){c.cs=NOEFF;continue;}
  if(c.cs==DONE||open_(c)||(K.park&&c.cs==STF)){
   if(K.kind[i]==RETR) V(s,V_RET);
   bool o=open_(c);
   if(K.mut==M_NOFENCE_UNK&&o&&!c.known){c.cs=NOEFF;continue;}
   if(K.none[i]){ if(!o||K.mut==M_NO13B)c.cs=NOEFF; else {c.cs=RESOLV;send(s,i,Z);} }
   else if(K.reads[i]&&!c.known){c.cs=RESOLV;send(s,i,Z);}
   else c.cs=UDUE; } } }
static void goBack(S&s,bool evid=false){ // wish (or evidence) to go back from RUNNING (not the pivot's own failure)
 if(pivot>=0){Cs&p=s.c[pivot]; bool rec=s.inc>0&&!K.lit_r12&&!K.lit_rpiv&&(p.cs==IDLE||p.cs==READY);
  if(s.inc>0&&!K.lit_r12&&K.when[pivot]&&!K.lit_whenpiv&&(rec||p.cs==NOEFF)){ if(evid)enterComp(s); return; } // proposed: only evidence turns back a recovered saga whose pivot may have been skipped
  if(open_(p)||rec){ s.phase=SET; if(rec||!K.lit_cancel){p.cs=RESOLV;p.asked=1;send(s,pivot,Z);} return; } }
 enterComp(s); }
enum {NOTHING,STAYS,MAY_STAY};
static int left_(const S&s,int i){ const Cs&c=s.c[i]; // row 27: what is left of the step if nobody is asked any more
 if(s.recov&&!(s.ans>>i&1)) return MAY_STAY;
 if(!c.asked) return s.inc>0&&(c.cs==IDLE||c.cs==READY)&&!(K.mut==M_SCHEDTERM&&s.phase==SCH)?MAY_STAY:NOTHING;
 if(K.mut==M_TERMFORGET&&c.cs==ASKED) return NOTHING;
 if(K.mut==M_TERMFAILED&&c.cs==BACKOFF) return NOTHING;
 if(K.mut==M_TERMUNDO&&c.cs==UASK&&c.known) return STAYS;
 if(c.cs==NOEFF&&K.none[i]) return c.known?STAYS:NOTHING;
 if(c.cs==UNDONE||c.cs==NOEFF) return NOTHING;
 if(c.cs==DONE) return STAYS;
 if(c.cs==CONFL) return MAY_STAY;
 if(c.comp) return c.ev&(eU|eN)?NOTHING:MAY_STAY;
 if(c.known) return STAYS;
 return c.ev&(eR|eZ)?NOTHING:MAY_STAY; }
static void terminate_(S&s){ for(int i=0;i<K.n;i++)s.lf[i]=left_(s,i); s.phase=FORCED;s.recov=0;s.ps=s.held=0;s.tm=1; }
// row 29: the start time has come; `at` is the start time, `clk` the clock, both in ticks
static bool due_(const S&s){ return K.mut==M_MOVEIGNORED?s.clk>=1:K.mut==M_MOVELOST?s.clk>=s.at&&s.at<2:s.clk>=s.at; }
static void begin_(S&s){ if(s.clk<s.at)V(s,V_SEARLY); if(s.bg)V(s,V_STWICE); if(s.ps)V(s,V_SPAUSED); s.phase=RUN; s.bg=1; }
// the clock and the start time matter no more once it is not SCHEDULED and no backup can make it so again
static void forgetStart(S&s){ if(K.sched&&s.phase!=SCH&&!(s.snapT&&!s.restored&&s.sphase==SCH)){s.clk=2;s.at=0;s.sat=0;} }
static bool keepR(const S&s){return K.restore&&!s.restored;}
static void post(S&s){ if(fin(s)){ if(!keepR(s))for(int i=0;i<K.n;i++)s.rep[i]=0; return; } if(s.recov)return;
 if(s.phase==RUN||s.phase==COM) for(int rep=0;rep<K.n;rep++) for(int i=0;i<K.n;i++) if(s.c[i].cs==IDLE&&!K.when[i]){ bool ok=1; for(int j=0;j<K.n;j++)if(K.dep[i]>>j&1){u8 x=s.c[j].cs; if(!(x==DONE||x==NOEFF||x==WAIVED))ok=0;} if(ok)s.c[i].cs=READY; }
 bool all=1,wv=0;
 if(s.phase==BACK){ for(int i=0;i<K.n;i++){all&=settled(s.c[i]);wv|=s.c[i].cs==WAIVED;} if(all){ s.phase=wv?FORCED:COMPENSATED;
   if(s.phase==COMPENSATED) for(int i=0;i<K.n;i++)if(s.g[i].sent&&!K.none[i]){ if(!covered(s,i))V(s,V_S21);} } }
 else { bool okp=s.phase==COM||(s.phase==RUN&&(pivot<0||(!K.lit_skip&&s.c[pivot].cs==NOEFF))); if(okp){ for(int i=0;i<K.n;i++){u8 x=s.c[i].cs;all&=x==DONE||x==NOEFF||x==WAIVED;wv|=x==WAIVED;} if(all)s.phase=wv?FORCED:COMPLETED; } }
 if(fin(s)&&!keepR(s)) for(int i=0;i<K.n;i++)s.rep[i]=0;
}
static void recovered(S&s){ // all answered: phases from the evidence
 s.recov=0; 
 if(s.phase==RUN||s.phase==SET){
  if(pivot>=0&&s.c[pivot].cs==DONE){s.phase=COM;return;}
  if(s.phase==SET){ if(pivot>=0&&settled(s.c[pivot])) enterComp(s); return; }
  bool bad=0; for(int i=0;i<K.n;i++) if(s.c[i].asked&&(s.c[i].cs==UNDONE||s.c[i].cs==NOEFF)&&i!=pivot) bad=1;
  if(pivot>=0&&s.c[pivot].asked&&settled(s.c[pivot])) {enterComp(s);return;}
  if(bad) goBack(s,true); } }
// a reply is applied; variant selects nondeterminism (0 default, 1 'spent'/'limit'); returns false if nothing to do
static bool reply(S&s,int i,int code,int r,int inc,int variant){
 if(fin(s))return false; Cs&c=s.c[i];
 if(inc!=s.inc&&K.mut!=M_NOINC_C)return false;
 int dir=code<CU?A:code<ZS?C:Z; bool isS=code==AS||code==ZS,isR=code==AR||code==ZR,isZ=code==AZ||code==ZZ,isU=code==CU,isN=code==CN;
 if(r<c.run&&K.mut!=M_NORUN_C)return false;
 if(r>c.run){ if(K.lit_noadopt||!(isS||code==CSU))return false; c.run=r;c.ev=0;c.comp=0; if(code==CSU){ if(variant)return false; if(c.cs==UASK||c.cs==UBACK||c.cs==STB||c.cs==RESOLV){c.cs=UASK;send(s,i,C);} else {c.ev|=eS;} return true;} }
 else if(code==CSU) return false;
 u8 e=isS?eS:isU?eU:isR?eR:isN?eN:isZ?eZ:(code==CR&&K.lit_conf)?eR:0;
 bool canv=(code==AF||code==CF); if(variant&&!canv)return false;
 if(e){ c.ev|=e; bool cf=((c.ev&(eS|eU))&&(c.ev&(eR|eN)))||((c.ev&eS)&&(c.ev&eZ)&&!c.comp); if(cf&&c.cs!=CONFL){ c.cs=CONFL; if((!s.restored||K.strictconf)&&!K.unsafe)V(s,V_CONF); return true; } }
 if(c.cs==CONFL){return e!=0;}
 if(e&&s.recov) s.ans|=1<<i;
 bool hold=s.recov;
 bool op=open_(c)||(hold&&c.cs==DONE);
 if(isS&&(op||c.cs==STF)){ c.cs=DONE;c.known=1; if(i==pivot&&!hold&&(s.phase==RUN||s.phase==SET))s.phase=COM; }
 else if(isS&&(c.cs==RESOLV||(c.cs==STB&&c.prev==1&&!K.lit_stb))){ c.known=1;
   if(c.wv){ c.wv=0; if(s.phase==BACK){c.cs=WAIVED;s.g[i].wvd=1;} else c.cs=DONE; }
   else if(i==pivot){ c.cs=DONE; if(!hold) s.phase=COM; }
   else if(K.none[i]) c.cs=NOEFF; else c.cs=UDUE; }
 else if(isS&&(c.cs==UDUE||c.cs==UASK)) c.known=1;
 else if(isR&&op){ c.cs=NOEFF; if(!hold){ if(s.phase==COM)c.cs=STF; else if(s.phase==RUN&&K.park&&K.kind[i]==COMP)c.cs=STF; else if(s.phase==RUN||s.phase==SET){ enterComp(s);} } else if(s.phase==COM)c.cs=STF; }
 else if(isZ&&op){ c.cs=UNDONE; if(!hold){ if(s.phase==COM)c.cs=STF; else if(s.phase==RUN&&K.park&&K.kind[i]==COMP)c.cs=STF; else if(i==pivot||s.phase==SET) enterComp(s); else goBack(s,true);} else if(s.phase==COM)c.cs=STF; }
 else if((isR||isZ)&&(c.cs==RESOLV||(c.cs==STB&&c.prev==1&&!K.lit_stb))){
   if(c.wv){c.wv=0;c.cs=WAIVED;s.g[i].wvd=1;}
   else { c.cs=isR||K.none[i]?NOEFF:UNDONE; if(i==pivot&&s.phase==SET&&!hold) enterComp(s);} }
 else if(hold&&(isR||isZ)&&(c.cs==UDUE)) c.cs=isR?NOEFF:UNDONE;
 else if((isU||isN)&&(c.cs==UASK||c.cs==UBACK||(c.cs==STB)||(c.cs==RESOLV&&c.wv))) {c.cs=UNDONE;c.wv=0;}
 else if(code==AF&&open_(c)&&!hold){ if(!variant){ if(c.cs!=ASKED)return false; c.cs=BACKOFF;} else { if(K.kind[i]==RETR)return false; if(s.phase!=RUN&&s.phase!=SET)return false;
     if(i==pivot){ if(K.mut==M_PIVSPENT){c.cs=NOEFF;enterComp(s);} else {c.cs=RESOLV;s.phase=SET;send(s,i,Z);} } else goBack(s);} }
 else if(code==AX&&open_(c)&&!hold){ if(s.phase==COM)c.cs=STF; else if(s.phase==SET){c.cs=STB;c.prev=1;} else if(i==pivot){c.cs=RESOLV;s.phase=SET;send(s,i,Z);} else goBack(s);}
 else if(code==CF&&c.cs==UASK&&!hold){ if(!variant)c.cs=UBACK; else {c.cs=STB;c.prev=0;} }
 else if((code==CR||code==CX)&&c.cs==UASK&&!hold){c.cs=STB;c.prev=0;}
 else if(code==ZX&&c.cs==RESOLV&&!hold&&!c.wv){c.cs=STB;c.prev=1;}
 else return e!=0;
 return true; }
static void act(S&s,int i,int r){ if(s.g[i].acted>>(r-1)&1)V(s,V_S3); if(r<=s.g[i].fence)V(s,V_S4); s.g[i].acted|=1<<(r-1); if(net(s,i)>1)V(s,V_NET);
  if((s.phase==COMPLETED||s.phase==COMPENSATED)&&!s.restored)V(s,V_Q);}
static void undo(S&s,int i,int r){ if(!(s.g[i].acted>>(r-1)&1)||(s.g[i].undone>>(r-1)&1))V(s,V_S3); s.g[i].undone|=1<<(r-1); if(net(s,i)<0)V(s,V_NET);
  if((s.phase==COMPLETED||s.phase==COMPENSATED)&&!s.restored)V(s,V_Q);}
static void fence(S&s,int i,int r){ if(s.g[i].fence<r)s.g[i].fence=r; }
enum {OK_,REJ_,FAIL_,ACC_,ZFENCE_,UNSUP_}; const char*CH[]={"handler succeeds","handler rejects","handler fails","handler answers IN_PROGRESS","fences accepted work","answers UNSUPPORTED"};
// deliver command (k,r,inc) to the row w; returns false when this choice does not exist. New row in w; effects and replies into s.
static bool deliver(S&s,int i,int k,int r,int inc,int ch,Rw&w){
 if(ch==UNSUP_){ addRep(s,i,k==A?AX:k==C?CX:ZX,r,inc); return K.unsup; }
 if(w.st!=ABS&&inc<w.inc&&K.mut!=M_NOINC) return false;
 bool nr=K.mut==M_NORUN_P; // ignore run comparison at the participant
 bool newer = nr? false : (K.mut==M_NORUN_U&&k==A)? true : r>w.run; bool older = nr? false : r<w.run;
 Rw o=w; if(w.st!=ABS&&inc>w.inc)w.inc=inc;
 auto runit=[&]()->bool{ if(ch==FAIL_&&K.mut==M_EARLY){w=o;addRep(s,i,AS,r,inc);return true;} if(ch==FAIL_&&K.mut==M_AMBFAIL){w={RDONE,(u8)r,(u8)(inc>o.inc||o.st==ABS?inc:o.inc),0};act(s,i,r);addRep(s,i,AF,r,inc);return true;} if(ch==OK_){w={RDONE,(u8)r,(u8)(inc>o.inc||o.st==ABS?inc:o.inc),0};act(s,i,r);addRep(s,i,AS,r,inc);return true;}
   if(ch==REJ_&&K.rej&&K.kind[i]!=RETR+9){w={REJ,(u8)r,(u8)(o.st==ABS?inc:max(inc,(int)o.inc)),0};addRep(s,i,AR,r,inc);fence(s,i,r);return true;}
   if(ch==FAIL_&&K.fail){ if(K.mut==M_FAILREM||K.mut==M_FAILREM2)w={RFAIL,(u8)r,(u8)inc,0}; else {w=o; if(w.st!=ABS&&inc>w.inc&&K.mut!=M_FAILKEEPINC)w.inc=inc;} addRep(s,i,AF,r,inc);return true;}
   if(ch==ACC_&&K.acc){w={ACC,(u8)r,(u8)(o.st==ABS?inc:max(inc,(int)o.inc)),0,o.st,o.run};s.g[i].pend|=1<<(r-1);return true;}
   return false;};
 int rr= K.lit_hdr? r : (w.run>r?w.run:r);
 if(k==A){ switch(w.st){
  case ABS: return runit();
  case RFAIL: if(K.mut==M_FAILREM2) return runit(); if(ch!=OK_)return false; addRep(s,i,AF,r,inc); return true;
  case ACC: if(ch==FAIL_&&K.fail&&!older){addRep(s,i,AF,r,inc);return true;} if(ch!=OK_)return false; if(older&&K.lit_acc)addRep(s,i,AS,rr,inc); if(!older)s.g[i].pend|=1<<(w.run-1); return true;
  case RDONE: if(ch!=OK_)return false; if(newer&&!K.lit_done)w.run=r; addRep(s,i,AS,rr,inc); return true;
  case REJ: if(newer) return runit(); if(ch!=OK_)return false; addRep(s,i,AR,r,inc); return true;
  case FEN: case UND: if(newer) return runit(); if(ch!=OK_)return false; if(w.st==UND&&K.mut==M_REPLAY)addRep(s,i,AS,r,inc); else addRep(s,i,AZ,r,inc); return true; } }
 else if(k==C){ switch(w.st){
  case ABS: if(ch!=OK_)return false; if(K.mut!=M_COMPFENCEFORGET)w={FEN,(u8)r,(u8)inc,0}; fence(s,i,r); addRep(s,i,CN,r,inc); return true;
  case RFAIL: if(ch!=OK_)return false; fence(s,i,r); addRep(s,i,CN,r,inc); return true;
  case ACC: if(ch!=OK_)return false; if(K.mut==M_ACCNOTHING){fence(s,i,r);addRep(s,i,CN,r,inc);return true;} if(older){ if(K.lit_acc)addRep(s,i,CSU,w.run,inc); return true;} w.wish=1; if(!K.lit_resume)s.g[i].pend|=1<<(w.run-1); return true;
  case RDONE: if(older){ if(ch!=OK_)return false; addRep(s,i,CSU,w.run,inc); return true;}
     if(ch==OK_){ undo(s,i,s.g[i].acted>>(w.run-1)&1?w.run:1); w.st=UND; if(K.mut==M_UNDOTWICE)w.st=RDONE; if(!K.lit_undo&&r>w.run)w.run=r; fence(s,i,r); addRep(s,i,CU,r,inc); return true;}
     if(ch==FAIL_&&K.compfail){addRep(s,i,CF,r,inc);return true;} if(ch==REJ_&&K.comprej){ if(K.lit_comprej)w.st=REJ; addRep(s,i,CR,r,inc);return true;} return false;
  case REJ: if(ch!=OK_)return false; if(!older){w.st=FEN;w.run=r;} else if(K.lit_fence){w.st=FEN;w.run=r;} fence(s,i,r); addRep(s,i,CN,r,inc); return true;
  case FEN: case UND: if(ch!=OK_)return false; if(newer)w.run=r; fence(s,i,r); addRep(s,i,w.st==FEN?CN:CU,r,inc); return true; } }
 else { switch(w.st){
  case ABS: if(ch!=OK_)return false; if(K.mut!=M_RZFORGET)w={FEN,(u8)r,(u8)inc,0}; fence(s,i,r); addRep(s,i,ZZ,r,inc); return true;
  case RFAIL: if(ch!=OK_)return false; w={FEN,(u8)r,(u8)inc,0}; fence(s,i,r); addRep(s,i,ZZ,r,inc); return true;
  case ACC: if(older){ if(ch!=OK_)return false; if(K.lit_acc)addRep(s,i,ZS,rr,inc); return true;} if(ch==ZFENCE_)w.ost=w.orun=0; if(ch==OK_){ if(!K.lit_resume)s.g[i].pend|=1<<(w.run-1); return true;} if(ch==ZFENCE_&&!(K.lose&&K.lit_resume)){w.st=FEN;w.wish=0;if(r>w.run)w.run=r;fence(s,i,r);addRep(s,i,ZZ,r,inc);return true;} return false;
  case RDONE: if(ch!=OK_)return false; if(newer&&!K.lit_done)w.run=r; addRep(s,i,ZS,rr,inc); return true;
  case REJ: if(ch!=OK_)return false; if(!older){ if(K.lit_rz||newer){w.st=FEN;w.run=r;fence(s,i,r);addRep(s,i,ZZ,r,inc);} else addRep(s,i,ZR,r,inc);} else if(K.lit_fence){w.st=FEN;w.run=r;fence(s,i,r);addRep(s,i,ZZ,r,inc);} else {fence(s,i,r);addRep(s,i,ZZ,r,inc);} return true;
  case FEN: case UND: if(ch!=OK_)return false; if(newer)w.run=r; fence(s,i,r); addRep(s,i,ZZ,r,inc); return true; } }
 return false; }
typedef function<void(const S&,int)> Emit;
static char buf[400];
#define L(...) do{ if(tracing){snprintf(buf,sizeof buf,__VA_ARGS__);lab=buf;} }while(0)
static void check(S&t){ if(t.viol)return;
 for(int i=0;i<K.n;i++){ int e=net(t,i); if(e<0||e>1)V(t,V_NET);
  if(t.tm&&((t.lf[i]==NOTHING&&e)||(t.lf[i]==STAYS&&!e)))V(t,V_TLIST);
  u8 x=t.c[i].cs; bool strict=!t.restored;
  if((strict||fin(t))&&!t.recov&&!t.tm){ if((x==UNDONE||(x==NOEFF&&!K.none[i]))&&e) V(t,V_UNDONE); if(x==DONE&&!e)V(t,V_DONE); }
  if(t.phase==COMPENSATED&&e&&!K.none[i])V(t,V_COMPD);
  if(t.phase==COMPLETED&&t.g[i].sent&&!e)V(t,V_COMPL); }
 if(pivot>=0){ if((t.phase==BACK||t.phase==COMPENSATED)&&net(t,pivot)==1)V(t,V_S6C); if((t.phase==COM||t.phase==COMPLETED)&&!t.recov&&t.g[pivot].sent&&t.c[pivot].cs!=WAIVED&&net(t,pivot)==0)V(t,V_S6F); } }
static void succ(const S&s,const Emit&E){
 auto out=[&](S&t,int cls,bool doPost=true){ if(doPost)post(t); forgetStart(t); 
   if(s.phase!=t.phase&&!(t.restored&&!s.restored)){ if(fin(s)||(s.phase==BACK&&!(t.phase==COMPENSATED||t.phase==FORCED))||(s.phase==COM&&!(t.phase==COMPLETED||t.phase==FORCED)))V(t,V_FINAL);} check(t); E(t,cls); };
 bool F=fin(s);
 // ---- participants
 for(int i=0;i<K.n;i++){
  if(!K.workers||i>=2){ for(int b=0;b<12;b++)if(s.cmd[i]>>b&1){ int k=b/4,r=(b/2&1)+1,inc=b&1;
    for(int ch=0;ch<6;ch++){ if(ch==UNSUP_&&!K.unsup)continue; S t=s; Rw w=t.r[i]; if(!deliver(t,i,k,r,inc,ch,w))continue; t.r[i]=w; L("participant %d gets %s run %d inc %d, row %s/%d: %s -> row %s/%d",i+1,KN[k],r,inc+1,RS[s.r[i].st],s.r[i].run,CH[ch],RS[w.st],w.run); out(t,(ch==OK_||ch==ZFENCE_||ch==ACC_)?1:4,false);} } }
  else for(int j=0;j<2;j++){ if(!s.w[i][j].m){ for(int b=0;b<12;b++)if(s.cmd[i]>>b&1){ auto&o=s.w[i][1-j]; if(o.m){ if(K.mut!=M_NOLOCK)continue; if(o.s.st==ABS)continue; } S t=s; t.w[i][j].m=b+1; t.w[i][j].s=s.r[i]; L("participant %d worker %d locks row %s/%d for %s run %d inc %d",i+1,j,RS[s.r[i].st],s.r[i].run,KN[b/4],(b/2&1)+1,(b&1)+1); out(t,1,false);} }
   else { int b=s.w[i][j].m-1; int k=b/4,r=(b/2&1)+1,inc=b&1; Rw sn=s.w[i][j].s;
    bool any=0;
    for(int ch=0;ch<6;ch++){ if(ch==UNSUP_&&!K.unsup)continue; S t=s; Rw w=sn; if(!deliver(t,i,k,r,inc,ch,w))continue; any=1; if(memcmp(&w,&sn,sizeof w))t.r[i]=w; t.w[i][j].m=0; memset(&t.w[i][j].s,0,sizeof(Rw)); L("participant %d worker %d commits %s run %d inc %d on row %s/%d: %s -> %s/%d",i+1,j,KN[k],r,inc+1,RS[sn.st],sn.run,CH[ch],RS[w.st],w.run); out(t,(ch==OK_||ch==ZFENCE_||ch==ACC_)?1:4,false);}
    S t=s; t.w[i][j].m=0; memset(&t.w[i][j].s,0,sizeof(Rw)); L("participant %d worker %d rolls back, no reply",i+1,j); out(t,any?4:1,false); } }
  for(int r=1;r<=2;r++)if(s.g[i].pend>>(r-1)&1)for(int ch=0;ch<3;ch++){ if(ch==1&&!K.rej||ch==2&&!K.fail)continue; S t=s; Rw&w=t.r[i];
    bool cas=w.st==ACC&&(w.run==r||K.mut==M_CASRUN);
    bool lock=0; if(K.workers&&i<2)for(int j=0;j<2;j++)if(s.w[i][j].m)lock=1; if(lock&&K.mut!=M_NOLOCK)continue;
    if(!cas)continue;
    if(ch==2){ u8 wr=w.run,wi=w.inc,ww=w.wish; Rw b={w.ost,w.orun,(u8)(w.ost==ABS?0:w.inc),0,0,0}; if(K.mut==M_FAILABS)b={ABS,0,0,0,0,0}; addRep(t,i,AF,wr,wi); w=b; if(ww){ if(b.st==ABS||b.st==REJ){w={FEN,wr,wi,0,0,0};} else w.run=wr; fence(t,i,wr); addRep(t,i,w.st==UND?CU:CN,wr,wi);} }
    else if(!w.wish){ if(ch==0){w.st=RDONE;act(t,i,r);addRep(t,i,AS,w.run,w.inc);} else {w.st=REJ;addRep(t,i,AR,w.run,w.inc);fence(t,i,w.run);} }
    else { w.wish=0; if(ch==0){ act(t,i,r);undo(t,i,r);w.st=UND;fence(t,i,w.run);addRep(t,i,CU,w.run,w.inc);} else { w.st=FEN;fence(t,i,w.run);addRep(t,i,CN,w.run,w.inc);} }
    L("participant %d: accepted run %d ends, %s%s -> row %s/%d",i+1,r,ch==2?"failed":ch?"rejected":"success",s.r[i].wish?", undo wished":"",RS[w.st],w.run); if(w.st!=ACC)w.ost=w.orun=0; out(t,ch?4:1,false); }
 }
 if(K.lose)for(int i=0;i<K.n;i++)if(s.g[i].pend){ S t=s;t.g[i].pend=0; L("participant %d dies, accepted work is lost (row %s)",i+1,RS[s.r[i].st]); out(t,4,false); }
 // ---- loss of everything in flight
 if(K.wipe&&!s.wiped){ S t=s;t.wiped=1; for(int i=0;i<K.n;i++){t.cmd[i]=0;t.rep[i]=0;} L("all topics wiped"); out(t,4,false); }
 // ---- backup and restore of the coordinator
 if(K.restore&&!s.snapT&&!F){ S t=s;t.snapT=1;t.sphase=s.phase;t.sat=s.phase==SCH?s.at:0; for(int i=0;i<K.n;i++)t.sn[i]=s.c[i]; L("(backup taken here)"); out(t,4,false); }
 if(K.restore&&s.snapT&&!s.restored){ S t=s; t.restored=1;t.inc=1;t.phase=s.sphase;t.at=s.sat;t.sat=0;t.bg=s.sphase!=SCH&&K.sched;t.recov=1;t.ans=0;t.tm=t.ps=t.held=0;for(int i=0;i<3;i++)t.lf[i]=0; for(int i=0;i<K.n;i++){ Cs&c=t.c[i]; c=s.sn[i]; if(!K.lit_ev)c.ev=0; }
   for(int i=0;i<K.n;i++){Cs&c=t.c[i]; memset(&t.sn[i],0,sizeof(Cs)); if(!c.asked){t.ans|=1<<i;continue;}
     bool cp=c.comp&&(c.cs==UASK||c.cs==UBACK||c.cs==STB||c.cs==UNDONE);
     if(open_(c)||c.cs==DONE||c.cs==STF){ if(c.cs!=DONE&&c.cs!=STF)c.cs=ASKED; send(t,i,A);} else if(cp) send(t,i,C); else send(t,i,Z); }
   t.snapT=1; t.sphase=0; if(K.mut==M_NOWAIT)t.ans=7; if((t.ans&((1<<K.n)-1))==(1<<K.n)-1)recovered(t); L("coordinator restored to %s, incarnation 2, asks all dispatched again",PH[s.sphase]); out(t,4); }
 if(F&&K.mut==M_TERMASKS&&s.tm)for(int i=0;i<K.n;i++)if(s.c[i].cs==UASK){ S t=s;send(t,i,C);L("re-ask compensation %d after the end",i+1);out(t,1,false); }
 if(F&&K.mut==M_CANCELBEGINS&&!s.bg&&due_(s)){ S t=s;t.phase=RUN;L("begins all the same");out(t,1); }
 // ---- a delayed start: time goes on, the operator moves the start, and it begins
 if(K.sched&&s.clk<2){ S t=s;t.clk++;L("the clock is %d",t.clk);out(t,1,false); }
 if(F)return;
 if(s.phase==SCH)for(int a=0;a<3;a++)if(a!=s.at){ S t=s;t.at=a;L("operator moves the start to %d",a);out(t,4,false); }
 if(((s.phase==SCH)||(K.mut==M_BEGINSTWICE&&K.sched))&&due_(s)&&(!s.ps||K.mut==M_PAUSEBEGINS)){ S t=s;begin_(t);L("it begins at %d",s.clk);out(t,1); }
 // ---- a pause may begin and end at any time; what it held counts for nothing before its time is counted
 if(K.pause){ S t=s; if(s.ps){t.ps=0;t.held=1;L("the pause ends");out(t,1);} else {t.ps=1;L("paused");out(t,4);} if(!s.ps&&s.held){ S t=s;t.held=0;L("the pause is counted");out(t,1);} }
 if(K.term){ S t=s; terminate_(t); L("operator terminates: %d %d %d",t.lf[0],t.lf[1],t.lf[2]); out(t,4); }
 // ---- replies to the coordinator
 for(int i=0;i<K.n;i++){ u64 m=s.rep[i]; while(m){ int b=__builtin_ctzll(m); m&=m-1; int code=b/4,r=(b/2&1)+1,inc=b&1;
   for(int v=0;v<2;v++){ S t=s; if(!reply(t,i,code,r,inc,v))continue; if(t.recov&&(t.ans&((1<<K.n)-1))==(1<<K.n)-1)recovered(t);
     if(!memcmp(&t,&s,sizeof t))continue; L("coordinator gets step %d %s run %d%s -> step %s, %s",i+1,RN[code],r,v?" (spent/limit)":"",CS[t.c[i].cs],PH[t.phase]); out(t,(code==AF||code==CF||code==CR)&&v?4:1);} } }
 // ---- timers, re-asks
 for(int i=0;i<K.n;i++){ const Cs&c=s.c[i]; bool hold=s.ps&&K.mut!=M_PAUSESENDS;
  auto lost=[&](int k){ return K.mut==M_PAUSELOST&&!(s.cmd[i]>>cb(k,c.run,s.inc)&1); };
  if(s.recov){ if(!(s.ans>>i&1)&&!hold){ S t=s; const Cs&d=c; bool cp=d.comp&&(d.cs==UASK||d.cs==UBACK||d.cs==STB||d.cs==UNDONE); if(open_(d)||d.cs==DONE||d.cs==STF)send(t,i,A); else if(cp)send(t,i,C); else send(t,i,Z); if(memcmp(&t,&s,sizeof t)){L("coordinator asks step %d again",i+1);out(t,1);} } continue; }
  if(K.mut!=M_NOREASK&&!hold){
  if(c.cs==ASKED&&!lost(A)){ S t=s; send(t,i,A); if(memcmp(&t,&s,sizeof t)){L("re-ask action %d",i+1);out(t,1);} }
  if(c.cs==UASK&&!lost(C)){ S t=s; send(t,i,C); if(memcmp(&t,&s,sizeof t)){L("re-ask compensation %d",i+1);out(t,1);} }
  if(c.cs==RESOLV&&!lost(Z)){ S t=s; send(t,i,Z); if(memcmp(&t,&s,sizeof t)){L("re-ask RESOLVE %d",i+1);out(t,1);} } }
  if(c.cs==BACKOFF&&!hold){ S t=s; t.c[i].cs=READY; L("backoff of %d due",i+1); out(t,1); }
  if(c.cs==UBACK&&!K.lit_uback&&!hold){ S t=s; t.c[i].cs=UASK; send(t,i,C); L("undo_backoff of %d due, compensation sent again",i+1); out(t,1); }
  if(c.cs==READY&&!hold&&(s.phase==RUN||s.phase==COM||(s.phase==SET&&i==pivot))){ S t=s; t.c[i].cs=ASKED; send(t,i,A); if(K.kind[i]==RETR&&s.phase==RUN&&!K.lit_skip)t.phase=COM; L("action %d sent (run %d)",i+1,c.run); out(t,1); }
  if(c.cs==IDLE&&K.when[i]&&(s.phase==RUN||s.phase==COM)){ bool ok=1; for(int j=0;j<K.n;j++)if(K.dep[i]>>j&1){u8 x=s.c[j].cs; if(!(x==DONE||x==NOEFF||x==WAIVED))ok=0;} if(ok){ S t=s;t.c[i].cs=READY;L("when of %d true",i+1); if(whenv!=0)out(t,1); t=s;t.c[i].cs=NOEFF;L("when of %d false: skipped",i+1); if(whenv!=1)out(t,1);} }
  if(c.cs==UDUE&&(!hold||K.mut==M_PAUSEUNDO)){ bool ok=1; int dd=K.lit_direct?ddesc[i]:desc_[i]; for(int j=0;j<K.n;j++)if((dd>>j&1)&&!settled(s.c[j]))ok=0; if(K.mut==M_NODEP)ok=1; if(K.none[i])ok=0; if(ok){ S t=s;t.c[i].cs=UASK;send(t,i,C);L("compensation %d sent (run %d)",i+1,c.run);out(t,1);} 
     if(K.mapf){S t=s;t.c[i].cs=STB;t.c[i].prev=2;L("mapping of compensation %d fails",i+1);out(t,4);} }
  if(K.mapf&&c.cs==READY&&!c.asked&&!hold){ S t=s; if(s.phase==COM){t.c[i].cs=STF;} else if(s.phase==RUN){t.c[i].cs=NOEFF; goBack(t);} L("mapping of action %d fails",i+1); out(t,4); }
  if(K.timeout&&open_(c)&&((!s.ps&&!s.held)||K.mut==M_PAUSELIMIT)){ bool early=s.ps||s.held; if(K.kind[i]==COMP&&s.phase==RUN){S t=s;if(early)V(t,V_PLIMIT);goBack(t);L("step time of %d over, drained -> %s",i+1,PH[t.phase]);out(t,4);} if(i==pivot&&(s.phase==RUN||s.phase==SET)){ S t=s; if(early)V(t,V_PLIMIT); if(K.mut==M_GUESS){t.c[i].cs=NOEFF;enterComp(t);} else {t.c[i].cs=RESOLV;t.phase=SET;send(t,i,Z);} L("step time of pivot %d over -> %s",i+1,PH[t.phase]);out(t,4);} }
  // operator
  if(c.cs==STF&&K.opretry){ bool raise=c.ev&(eR|eZ); if(!raise||c.run<K.maxRun){ S t=s; Cs&d=t.c[i]; if(raise){d.run++;d.ev=0;d.comp=0;d.known=0;} d.cs=READY; L("operator retries step %d, run %d",i+1,d.run); out(t,2);} }
  if(c.cs==STB&&K.opretry){ S t=s; Cs&d=t.c[i]; if(d.prev==0){d.cs=UASK;send(t,i,C);} else if(d.prev==1){d.cs=RESOLV;send(t,i,Z);} else d.cs=UDUE; L("operator retries the undo of step %d",i+1); out(t,2); }
  if(K.waive&&(c.cs==STF||c.cs==STB||(c.cs==ASKED&&s.phase==COM)||c.cs==UASK)&&i!=pivot){ S t=s; Cs&d=t.c[i]; d.cs=RESOLV;d.wv=1;send(t,i,Z); L("operator waives step %d: fenced first",i+1); out(t,4); if(K.unsafe){ S t=s;t.c[i].cs=WAIVED;t.g[i].wvd=1;L("operator waives step %d --unsafe",i+1);out(t,4);} }
 }
 if(s.recov)return;
 if(K.cancel&&(s.phase==RUN||s.phase==SCH||(K.mut==M_CANCELCOM&&s.phase==COM))){ S t=s; if(s.phase==COM)enterComp(t); else if(s.phase==SCH&&K.mut==M_SCHEDTRUSTS){t.inc=0;goBack(t);t.inc=s.inc;} else goBack(t); L("cancel or saga deadline -> %s",PH[t.phase]); out(t,4); }
}
// ---------------- search
static vector<PK> st; static vector<uint32_t> par; static vector<uint32_t> ht; static u64 hmask;
static u64 hs(const PK&p){u64 h=0x9E3779B97F4A7C15ull; for(int i=0;i<9;i++){h^=p[i];h*=0xff51afd7ed558ccdull;h^=h>>32;} h*=0xc4ceb9fe1a85ec53ull; return h^h>>29;}
static void grow(){ u64 n=ht.size()*2; vector<uint32_t>().swap(ht); ht.assign(n,0); hmask=n-1; for(u64 i=0;i<st.size();i++){u64 h=hs(st[i])&hmask; while(ht[h])h=(h+1)&hmask; ht[h]=i+1;} }
static uint32_t find_(const PK&p){ u64 h=hs(p)&hmask; while(ht[h]){ if(st[ht[h]-1]==p)return ht[h]; h=(h+1)&hmask;} return 0; }
static bool ins(const PK&p,uint32_t from){ if(st.size()*2>ht.size())grow(); u64 h=hs(p)&hmask; while(ht[h]){ if(st[ht[h]-1]==p)return false; h=(h+1)&hmask;} st.push_back(p);par.push_back(from);ht[h]=st.size(); return true; }
static void story(uint32_t idx){ vector<uint32_t> path; uint32_t x=idx; while(x!=0xffffffff){path.push_back(x);x=par[x];} tracing=1; 
 for(int q=path.size()-1;q>0;q--){ S s;unpack(st[path[q]],s); string l="?"; bool got=0; PK want=st[path[q-1]]; succ(s,[&](const S&t,int){ if(got)return; PK p;pack(t,p); if(p==want){l=lab;got=1;} }); printf("    %zu. %s\n",path.size()-q,l.c_str()); }
 tracing=0; S s;unpack(st[idx],s); printf("    => %s;",PH[s.phase]); for(int i=0;i<K.n;i++)printf(" step%d %s net %d row %s/%d;",i+1,CS[s.c[i].cs],net(s,i),RS[s.r[i].st],s.r[i].run); printf("\n"); }
static void configs(map<string,function<void()>>&);
int main(int ac,char**av){
 map<string,function<void()>> shapes; 
 auto seq=[&](int n){K.n=n;for(int i=1;i<n;i++)K.dep[i]=1<<(i-1);};
 shapes["one"]=[&]{seq(1);}; shapes["a"]=[&]{seq(2);}; shapes["a3"]=[&]{seq(3);};
 shapes["b"]=[&]{seq(3);K.kind[1]=PIV;K.kind[2]=RETR;};
 shapes["pr"]=[&]{seq(2);K.kind[0]=PIV;K.kind[1]=RETR;};
 shapes["cp"]=[&]{seq(2);K.kind[1]=PIV;};
 shapes["c"]=[&]{K.n=3;K.dep[2]=3;K.kind[2]=PIV;};
 shapes["d"]=[&]{seq(3);K.none[1]=1;}; shapes["d2"]=[&]{seq(2);K.none[0]=1;}; shapes["d3"]=[&]{seq(2);K.none[1]=1;}; 
 shapes["dp"]=[&]{seq(3);K.none[0]=1;K.kind[2]=PIV;};
 shapes["e"]=[&]{seq(2);K.reads[0]=K.reads[1]=1;}; shapes["ep"]=[&]{K.n=3;K.dep[2]=3;K.kind[2]=PIV;K.reads[0]=K.reads[1]=1;};
 shapes["f"]=[&]{seq(3);K.when[1]=1;};
 shapes["g"]=[&]{seq(3);K.kind[1]=PIV;K.when[1]=1;K.kind[2]=RETR;};
 shapes["gp"]=[&]{seq(2);K.kind[1]=PIV;K.when[1]=1;};
 if(ac<2){printf("usage: saga SHAPE [flag=value]...\n");return 2;}
 if(!shapes.count(av[1]))return 2; shapes[av[1]]();
 map<string,bool*> fl={{"cancel",&K.cancel},{"timeout",&K.timeout},{"restore",&K.restore},{"wipe",&K.wipe},{"fail",&K.fail},{"acc",&K.acc},{"rej",&K.rej},{"compfail",&K.compfail},{"comprej",&K.comprej},{"unsup",&K.unsup},{"waive",&K.waive},{"unsafe",&K.unsafe},{"park",&K.park},{"mapf",&K.mapf},{"workers",&K.workers},{"opretry",&K.opretry},{"pause",&K.pause},{"term",&K.term},{"sched",&K.sched},
  {"lit_acc",&K.lit_acc},{"lit_fence",&K.lit_fence},{"lit_undo",&K.lit_undo},{"lit_done",&K.lit_done},{"lit_direct",&K.lit_direct},{"lit_conf",&K.lit_conf},{"lit_uback",&K.lit_uback},{"lit_noadopt",&K.lit_noadopt},{"lit_hdr",&K.lit_hdr},{"lit_cancel",&K.lit_cancel},{"lit_skip",&K.lit_skip},{"lit_r12",&K.lit_r12},{"lit_ev",&K.lit_ev},{"lit_stb",&K.lit_stb},{"lit_rz",&K.lit_rz},{"lose",&K.lose},{"lit_rpiv",&K.lit_rpiv},{"lit_comprej",&K.lit_comprej},{"strictconf",&K.strictconf},{"lit_whenpiv",&K.lit_whenpiv},{"lit_resume",&K.lit_resume},{"live",&K.live}};
 map<string,int> mu={{"failkeepinc",M_FAILKEEPINC},{"failabs",M_FAILABS},{"failrem",M_FAILREM},{"failrem2",M_FAILREM2},{"replay",M_REPLAY},{"noinc",M_NOINC},{"noinc_c",M_NOINC_C},{"nodep",M_NODEP},{"nofence_unk",M_NOFENCE_UNK},{"pivspent",M_PIVSPENT},{"no13b",M_NO13B},{"norun_p",M_NORUN_P},{"norun_c",M_NORUN_C},{"casrun",M_CASRUN},{"nolock",M_NOLOCK},{"guess",M_GUESS},{"accnothing",M_ACCNOTHING},{"nowait",M_NOWAIT},{"undotwice",M_UNDOTWICE},{"cancelcom",M_CANCELCOM},{"compforget",M_COMPFENCEFORGET},{"noreask",M_NOREASK},{"norun_u",M_NORUN_U},{"rzforget",M_RZFORGET},{"early",M_EARLY},{"ambfail",M_AMBFAIL},{"pausesends",M_PAUSESENDS},{"pauseundo",M_PAUSEUNDO},{"pauselimit",M_PAUSELIMIT},{"pauselost",M_PAUSELOST},{"termforget",M_TERMFORGET},{"termundo",M_TERMUNDO},{"termfailed",M_TERMFAILED},{"termasks",M_TERMASKS},{"cancelbegins",M_CANCELBEGINS},{"beginstwice",M_BEGINSTWICE},{"schedtrusts",M_SCHEDTRUSTS},{"schedterm",M_SCHEDTERM},{"moveignored",M_MOVEIGNORED},{"movelost",M_MOVELOST},{"pausebegins",M_PAUSEBEGINS}};
 string args=av[1];
 for(int i=2;i<ac;i++){ string a=av[i]; args+=" "+a; size_t q=a.find('='); string k=a.substr(0,q),v=q==string::npos?"1":a.substr(q+1);
  if(k=="mut"){ if(!mu.count(v)){printf("no mutant %s\n",v.c_str());return 2;} K.mut=mu[v]; } else if(k=="runs")K.maxRun=atoi(v.c_str()); else if(k=="whenval")whenv=atoi(v.c_str()); else if(k=="limit")K.limit=strtoull(v.c_str(),0,10); else if(fl.count(k))*fl[k]=v!="0"; else {printf("no flag %s\n",k.c_str());return 2;} }
 for(int i=0;i<K.n;i++){ if(K.kind[i]==PIV)pivot=i; }
 for(int i=0;i<K.n;i++){ desc_[i]=0; for(int j=0;j<K.n;j++)if(K.dep[j]>>i&1)desc_[i]|=1<<j; ddesc[i]=desc_[i]; }
 for(int q=0;q<3;q++)for(int i=0;i<K.n;i++)for(int j=0;j<K.n;j++)if(desc_[i]>>j&1)desc_[i]|=desc_[j];
 ht.assign(1<<20,0);hmask=ht.size()-1;
 auto t0=chrono::steady_clock::now();
 S s0; memset(&s0,0,sizeof s0); for(int i=0;i<K.n;i++){s0.c[i].run=1;} if(K.sched){s0.phase=SCH;s0.at=1;} post(s0); PK p;pack(s0,p); ins(p,0xffffffff);
 u64 edges=0; uint32_t vio=0; int vcode=0; bool cut=0; u64 fins[7]={0}; u64 confl=0;
 for(u64 x=0;x<st.size();x++){ S s;unpack(st[x],s); if(s.viol){vio=x+1;vcode=s.viol;break;} if(fin(s))fins[s.phase]++; for(int i=0;i<K.n;i++)if(s.c[i].cs==CONFL){confl++;break;}
   if(st.size()>K.limit){cut=1;break;}
   succ(s,[&](const S&t,int){edges++; PK q;pack(t,q); ins(q,x);}); }
 double sec=chrono::duration<double>(chrono::steady_clock::now()-t0).count();
 printf("[%s] %zu states %lu edges %.0fs; COMPLETED %lu COMPENSATED %lu FORCED %lu conflict-states %lu%s\n",args.c_str(),st.size(),edges,sec,fins[4],fins[5],fins[6],confl,cut?" CUT":"");
 if(vio){ printf("  VIOLATED %s\n",VN[vcode]); story(vio-1); return 1; }
 if(cut){printf("  cut, no violation so far\n");return 0;}
 if(K.live){ // backward reachability: L-b good edges to final or attention; L-a good+operator to final
   u64 N=st.size(); 
   int rc=0;
   for(int mode=0;mode<2;mode++){ vector<u8> ok(N,0); 
     // forward chaotic iteration on stored graph (recomputed successors); BFS order reversed converges fast
     for(u64 x=0;x<N;x++){ S s;unpack(st[x],s); bool tgt=fin(s); for(int i=0;i<K.n;i++){u8 c=s.c[i].cs; if(c==CONFL)tgt=1; if(mode==0&&(c==STF||c==STB))tgt=1; if(c==STF&&(s.c[i].ev&(eR|eZ))&&s.c[i].run>=K.maxRun&&s.r[i].run>=K.maxRun&&(s.r[i].st==REJ||s.r[i].st==FEN||s.r[i].st==UND))tgt=1; } ok[x]=tgt; }
     u64 changed=1; int it=0; 
     // build reverse CSR
     vector<u64> off(N+1,0); vector<pair<uint32_t,uint32_t>> ed; ed.reserve(edges/2);
     for(u64 x=0;x<N;x++){ S s;unpack(st[x],s); if(ok[x])continue; succ(s,[&](const S&t,int cls){ if(cls==4||(cls==2&&mode==0))return; PK q;pack(t,q); uint32_t y=find_(q); if(y){ed.push_back({y-1,(uint32_t)x});off[y]++;} }); }
     for(u64 i=0;i<N;i++)off[i+1]+=off[i]; vector<uint32_t> rev(ed.size()); vector<u64> pos(off.begin(),off.end()); for(auto&e:ed)rev[pos[e.first]++]=e.second; vector<pair<uint32_t,uint32_t>>().swap(ed);
     vector<uint32_t> q; for(u64 x=0;x<N;x++)if(ok[x])q.push_back(x); while(!q.empty()){uint32_t y=q.back();q.pop_back(); for(u64 k=off[y];k<off[y+1];k++)if(!ok[rev[k]]){ok[rev[k]]=1;q.push_back(rev[k]);}}
     u64 bad=0,first=0; for(u64 x=0;x<N;x++)if(!ok[x]){ if(!bad)first=x; bad++; }
     (void)changed;(void)it;
     if(bad){ printf("  LIVENESS %s: %lu states cannot reach it; shortest:\n",mode?"L-a (final, with operator retry)":"L-b (final or attention, without operator)",bad); story(first); rc=1; break; }
   }
   if(!rc)printf("  ok (safety and liveness)\n"); return rc; }
 printf("  ok (safety)\n"); }
