/*
 * Extents of docs/protocol.md: units whose leader's word stands for all of them, cut and joined by who holds the leaders, while others
 * purge. The words themselves (T1, T4, T7, T8) are those of pin.pml, made of one step each.
 *
 * One cutter, who may die and be followed by another that finds spans as they are; PURGERS purgers, any of which may stop for ever at
 * any step, or die if it is in MORTALS. Units are UNITS, at first one extent that nobody holds.
 */

#ifndef UNITS
#define UNITS 3
#endif
#ifndef PURGERS
#define PURGERS 2
#endif
#ifndef MORTALS
#define MORTALS 3
#endif
#ifndef OPS
#define OPS 4
#endif
#ifndef DEATHS
#define DEATHS 1 /* of the cutter */
#endif

#ifndef ROWS
#define ROWS 0 /* holders set a bit first and look then, and a purger does the reverse: T6 */
#endif

#define READY 0
#define PURGING 1
#define PURGED 2

byte state[UNITS];
byte purger[UNITS];
byte span[UNITS];
bool held[UNITS]; /* by the living cutter */
bool marked[UNITS]; /* in its row: set before it holds, cleared when it does no more */
bool dead[PURGERS + 1]; /* PURGERS: who purges in the name of the cutter */
byte deaths = DEATHS;

bool law1_discarded_under_a_live_holder, extents_overlap;

/* Unit x lies in an extent whose leader is held. */
inline covered(x, answer) {
  answer = 0; l = 0;
  do
  :: l >= UNITS -> break
  :: else ->
    if
    :: held[l] && l <= x && x < l + span[l] -> answer = 1
    :: else
    fi;
    l++
  od;
  l = 0
}

inline discard_one(x) {
  d_step { covered(x, c); assert(!c || law1_discarded_under_a_live_holder); c = 0 }
}

/* Two leaders never both say that a unit is theirs. */
inline no_overlap() {
  d_step {
    l = 0;
    do
    :: l >= UNITS -> break
    :: else ->
      m = l + 1;
      do
      :: m >= UNITS -> break
      :: else -> assert(!(span[l] && span[m] && m < l + span[l]) || extents_overlap); m++
      od;
      l++
    od;
    l = 0; m = 0
  }
}

proctype Purger(byte me) {
  byte u, s, x, l;
  bool c;
  do
  :: (1) -> break /* stops for ever, between two purges */
  :: select(u: 0 .. (UNITS - 1));
    s = span[u];
    if
    :: s == 0 -> goto next
    :: else
    fi;
    atomic {
      if
      :: state[u] == READY && (ROWS || !held[u]) -> state[u] = PURGING; purger[u] = me /* T4 */
      :: else -> goto next
      fi
    };
    if
    :: (MORTALS >> me) & 1 -> dead[me] = 1; goto over
    :: (1)
    fi;
#ifdef BUG_SPAN_BEFORE_ROWS
    s = span[u];
#endif
#ifndef BUG_NO_LOOK_AT_ROWS
    if
    :: ROWS && marked[u] -> state[u] = READY; goto next /* T8 */
    :: else
    fi;
#endif
#if !defined(BUG_NO_SECOND_LOOK) && !defined(BUG_SPAN_BEFORE_ROWS)
    s = span[u];
    if
    :: s == 0 -> state[u] = READY; goto next /* T8 */
    :: else
    fi;
#endif
    x = u;
    do
    :: x < u + s && x < UNITS -> discard_one(x); x++
    :: x >= u + s || x >= UNITS -> break
    :: (MORTALS >> me) & 1 -> dead[me] = 1; goto over
    od;
    state[u] = PURGED; /* T5 */
next:
    x = 0; s = 0; u = 0
  od;
over:
  x = 0; s = 0; u = 0
}

/* T1, T2, T7. Waits for a living purger: gives up, which an operation may do before it has changed anything. */
inline take(v, done) {
  done = 0;
#if ROWS
  marked[v] = 1;
#endif
  do
  :: atomic { state[v] != PURGING -> held[v] = 1; done = 1; break }
  :: atomic { state[v] == PURGING && dead[purger[v]] -> purger[v] = PURGERS } ->
#ifdef BUG_ADOPTER_DISCARDS_A_UNIT
    s = (span[v] == 0 -> 1 : span[v]);
#else
    s = span[v];
#endif
    x = v;
    do
    :: x < v + s && x < UNITS -> discard_one(x); x++
    :: else -> break
    od;
    state[v] = PURGED
  :: state[v] == PURGING && !dead[purger[v]] -> marked[v] = 0; break
  od;
  s = 0; x = 0
}

/* T3: the hold ends, then the bit goes. */
inline drop(w) { held[w] = 0; marked[w] = 0 }

inline may_die() {
  if
  :: atomic { deaths > 0 -> deaths--; d_step { x = 0; do :: x < UNITS -> held[x] = 0; marked[x] = 0; x++ :: else -> break od; x = 0 } goto reborn }
  :: (1)
  fi
}

proctype Cutter() {
  byte ops, u, v, a, s, x, l, m;
  bool ok, c;
reborn:
  u = 0; v = 0; a = 0; s = 0; x = 0; ok = 0;
  do
  :: ops >= OPS -> break
  :: ops < OPS ->
    ops++;
    select(u: 0 .. (UNITS - 1));
    if
    :: span[u] > 1 && !held[u] -> /* split, and keep either part or none */
      take(u, ok);
      if
      :: !ok -> goto again
      :: else
      fi;
      select(a: 1 .. (UNITS - 1));
      if
      :: a >= span[u] -> drop(u); goto again
      :: else
      fi;
      v = u + a;
      take(v, ok);
      if
      :: !ok -> drop(u); goto again
      :: else
      fi;
      s = span[u] - a;
#ifdef BUG_NEW_LEADER_FIRST
      span[v] = s; no_overlap();
      may_die();
      span[u] = a;
#else
      span[u] = a;
      may_die();
      span[v] = s; no_overlap();
#endif
      s = 0;
      if
      :: drop(u)
      :: (1)
      fi;
      if
      :: drop(v)
      :: (1)
      fi
    :: span[u] > 0 && u + span[u] < UNITS && span[u + span[u]] > 0 -> /* join */
      v = u + span[u];
      if
      :: !held[u] -> take(u, ok)
      :: else -> ok = 1
      fi;
      if
      :: !ok -> goto again
      :: else
      fi;
#ifndef BUG_JOIN_UNHELD
      if
      :: !held[v] -> take(v, ok)
      :: else -> ok = 1
      fi;
      if
      :: !ok -> drop(u); goto again
      :: else
      fi;
#endif
      s = span[v];
      span[v] = 0;
      may_die();
      span[u] = span[u] + s; no_overlap();
      s = 0;
      drop(v);
      if
      :: drop(u)
      :: (1)
      fi
    :: held[u] -> drop(u)
    :: else
    fi;
again:
    u = 0; v = 0; a = 0
  od
}

init {
  atomic {
    byte i = 0;
    span[0] = UNITS;
    do
    :: i < PURGERS -> run Purger(i); i++
    :: else -> break
    od;
    run Cutter()
  }
}
