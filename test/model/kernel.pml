/*
 * The pin protocol of docs/protocol.md for regions that the kernel discards (K1..K6), as a spin model. README.md says what is proven
 * and within which bounds; check.mjs runs every configuration. pin.pml is the model of the rest, and has the same conventions.
 *
 * One `atomic` block is one operation on one shared word, or one system call, plus work on private variables. Between two blocks a
 * process may be delayed for good (a freeze) or be killed (see Killer). The kernel's shrinker may run at any moment (see Shrinker).
 *
 * Ghosts are what is really the case. The protocol never reads them, with one exception: DEAD is the verdict of the kernel.
 */

#ifndef UNITS
#define UNITS 2
#endif
#ifndef PROCS
#define PROCS 2 /* processes */
#endif
#ifndef NS
#define NS PROCS /* slots */
#endif
#ifndef OPS
#define OPS 4 /* operations begun, by all processes together */
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef BIRTHS
#define BIRTHS 0 /* dead processes that come back as somebody new */
#endif
#ifndef SHRINKS
#define SHRINKS 2 /* discards by the kernel */
#endif
#ifndef ATT
#define ATT 7 /* processes that are attached at the start, process p in slot p */
#endif
#ifndef PINNERS
#define PINNERS 7 /* processes that pin; the three masks keep searches small */
#endif
#ifndef PURGERS
#define PURGERS 7
#endif
#ifndef LEAVERS
#define LEAVERS 7 /* processes that detach */
#endif
#ifndef MORTALS
#define MORTALS 7
#endif
#ifndef EXTRA
#define EXTRA 0 /* slots whose holder bit is in a row, as a mask */
#endif
#ifndef START
#define START VOLATILE /* the unit words at the start; a volatile one is unpinned in the kernel */
#endif
#ifndef CREATOR
#define CREATOR 0 /* 1: process 0 has created the region and still has its initial hold */
#endif

#define NONE 3
#define ALL ((1 << UNITS) - 1)
#define BIT(s) (1 << (s))
#define IN(m, s) (((m) >> (s)) & 1)

/* Life word: phase 0..1, epoch 2..4, process 5..6, incarnation 7..8 */
#define FREE 0
#define ATTACHING 1
#define ACTIVE 2
#define PHASE(l) ((l) & 3)
#define EPOCH(l) (((l) >> 2) & 7)
#define LIFE(ph, e, p) ((ph) | ((e) << 2) | ((p) << 5) | (inc[p] << 7))
#define DEAD(l) (PHASE(l) != FREE && !(IN(alive, ((l) >> 5) & 3) && inc[((l) >> 5) & 3] == (((l) >> 7) & 3)))
#define CREATOR_LIFE ACTIVE

/* Unit word: state 0..1; PURGING: slot 2..3, the life word without its phase 4..10; else holder bits 2..4; VOLATILE 11, RELEASED 12 */
#define READY 0
#define PURGING 1
#define PURGED 2
#define REFILLING 3
#define VOLATILE 2048
#define RELEASED 4096
#define STATE(w) ((w) & 3)
#define IS_VOLATILE(w) (((w) >> 11) & 1)
#define REL(w) ((w) & RELEASED)
#define HOLDERS(w) (STATE(w) == PURGING -> 0 : (((w) >> 2) & 7))
#define WORD(st, b) ((st) | ((b) << 2))
#define CLAIM(s, l) (PURGING | ((s) << 2) | (((l) >> 2) << 4))
#define MY_CLAIM CLAIM(slot_of[me], life[slot_of[me]])
#define CLAIM_SLOT(w) (((w) >> 2) & 3)
#ifdef BUG_NO_EPOCH_IN_CLAIM
#define SEEN_EPOCH 0
#else
#define SEEN_EPOCH 7
#endif
#define CLAIM_SHOWN (15 | (SEEN_EPOCH << 4) | (15 << 7))
#define SHOWN_FLAGS (VOLATILE | RELEASED)
#define SAME(a, b) \
  ((a) == (b) || (STATE(a) == PURGING && STATE(b) == PURGING && \
    ((a) & (CLAIM_SHOWN | SHOWN_FLAGS)) == ((b) & (CLAIM_SHOWN | SHOWN_FLAGS))))
#define CLAIM_OF(w, l) (PHASE(l) != FREE && (CLAIM(CLAIM_SLOT(w), l) & CLAIM_SHOWN) == ((w) & CLAIM_SHOWN))

/* Shared memory */
short unit[UNITS] = START;
byte extra[UNITS];
byte generation[UNITS];
short life[NS];
byte hazard[NS];
bit creator_hold = CREATOR;

/* The kernel: masks of units. One unpinned range is one unit, or both when they are joined; `purged` is the range's flag. */
byte unpinned = (IS_VOLATILE(START) -> ALL : 0);
byte purged;
bit joined;

/* Bounds */
byte ops = OPS;
byte deaths = DEATHS;
byte births = BIRTHS;
byte shrinks = SHRINKS;

/* Ghosts; masks are of processes unless said otherwise */
byte inc[3];
byte alive = (1 << PROCS) - 1;
byte slot_of[3];
byte content = (STATE(START) == READY -> ALL : 0); /* of units */
byte initial = (CREATOR -> ALL : 0); /* units that the initial hold still holds */
byte holds[UNITS];
byte refillers[UNITS]; /* by T2b, which no pin takes back; alive, holding, not yet done */
byte pinning[UNITS];
byte met_refiller; /* of the pinning: there was a live refiller of the unit at some moment of the pin */
byte met_loss;     /* of the pinning: its bytes were gone at some moment of the pin */
byte objects;
byte missed[UNITS]; /* their object was there at a discard and has not been told */
byte gone_before[UNITS]; /* its bytes were gone when they attached, so that they may be told of it, or not */
byte working;       /* in the middle of an operation */
#ifndef EXCUSED
#define EXCUSED 0
#endif
byte excused = EXCUSED; /* units that may be orphans: somebody died, and nobody has met them since */

/* Never set: names that make spin's message say which law it was. */
bool law1_discarded_under_a_live_holder, law3_kept_though_lost, law3_object_not_told, kernel_told_of_a_loss_that_was_none,
  kernel_orphan, kernel_unpin_overlaps, kernel_differs_from_word, bound_of_the_model;

#define MINE BIT(slot_of[me])
#define HELD_BY_SOMEBODY(v) ((holds[v] & alive) || IN(initial, v))
#define BECOME_REFILLER \
  refiller = refiller | BIT(u); refillers[u] = refillers[u] | BIT(me); \
  met_refiller = met_refiller | pinning[u]; holds[u] = holds[u] | BIT(me)
#define DISCARD(v) \
  assert(!HELD_BY_SOMEBODY(v) || law1_discarded_under_a_live_holder); \
  content = content & ~BIT(v); missed[v] = missed[v] | objects; met_loss = met_loss | pinning[v]

/* The driver. PIN cuts the unit out of its range; the rest of the range keeps the flag. UNPIN inside one range does nothing. */
#define KERNEL_PIN(v) \
  answer = IN(unpinned, v) && IN(purged, v); \
  unpinned = unpinned & ~BIT(v); purged = purged & ~BIT(v); joined = 0
#define KERNEL_UNPIN(m) \
  if \
  :: (unpinned & (m)) == (m) && ((m) != 3 || joined) \
  :: else -> \
    assert(!(unpinned & (m)) || kernel_unpin_overlaps); \
    unpinned = unpinned | (m); \
    if \
    :: (m) == 3 -> joined = 1; purged = (purged -> 3 : 0) \
    :: else \
    fi \
  fi

#ifdef STRICT
#define FOLLOWS(v) \
  assert(STATE(unit[v]) == PURGING || IS_VOLATILE(unit[v]) == IN(unpinned, v) || kernel_differs_from_word)
#else
#define FOLLOWS(v) skip
#endif

/* An operation is over. When no other is under way, whatever nobody holds is unpinned in the kernel. */
#ifdef ORPHANS_ALLOWED /* a wrong variant that breaks this first is to be refused for another law too */
#define NO_ORPHANS skip
#elif UNITS == 2
#define NO_ORPHANS \
  assert(IN(excused, 0) || HELD_BY_SOMEBODY(0) || IN(unpinned, 0) || kernel_orphan); \
  assert(IN(excused, 1) || HELD_BY_SOMEBODY(1) || IN(unpinned, 1) || kernel_orphan); \
  FOLLOWS(0); FOLLOWS(1)
#else
#define NO_ORPHANS \
  assert(IN(excused, 0) || HELD_BY_SOMEBODY(0) || IN(unpinned, 0) || kernel_orphan); \
  FOLLOWS(0)
#endif
#define OVER \
  working = working & ~BIT(me); \
  s = 0; u = 0; todo = 0; back = 0; waits = 0; mask = 0; claims = 0; w = 0; l = 0; kind = 0; answer = 0; told = 0; lost = 0; \
  if \
  :: working == 0 -> NO_ORPHANS \
  :: else \
  fi

/* The word is still our claim, and nobody may change it. (A wrong variant may have taken it away.) */
#define PUBLISH(x) \
  if \
  :: (unit[u] & CLAIM_SHOWN) == (MY_CLAIM & CLAIM_SHOWN) -> unit[u] = (x) | REL(unit[u]) \
  :: else \
  fi

#ifdef BUG_CREATOR_WALKS_FIRST
#define CREATOR_HOLD_COUNTS (back != CLOSE_OP)
#else
#define CREATOR_HOLD_COUNTS 1
#endif

#define ATTACHED(v) \
  seen[v] = generation[v]; \
  gone_before[v] = (gone_before[v] & ~BIT(me)) | (IN(content, v) -> 0 : BIT(me))

#define PIN_OP 1
#define PURGE_OP 2
#define UNPIN_OP 3
#define COLLECT_OP 4
#define ATTACH_OP 5
#define CLOSE_OP 6
#define RELEASE_OP 7
#define BUSY_OP 8

#define K2 1
#define K2P 2
#define K3 3
#define K4 4

proctype Proc(byte me) {
  byte s, u, todo, back, waits, mask, claims, kind, held, refiller;
  byte seen[UNITS];
  short w, l;
  bit answer, told, lost, slept;

  if
  :: IN(ATT, me) -> goto idle
  :: else
  fi;

life_begins:
  {
    skip;
detached:
    atomic {
      if
      :: ops == 0 -> goto finished
      :: ops > 0 -> ops--; s = 0
#if NS > 1
      :: ops > 0 -> ops--; s = 1
#endif
#if NS > 2
      :: ops > 0 -> ops--; s = 2
#endif
      fi
    };
    atomic {
      l = life[s];
      if
      :: PHASE(l) == FREE -> goto a1
      :: else
      fi
    };
    atomic {
      if
      :: DEAD(l)
      :: else -> l = 0; s = 0; goto detached
      fi
    };
    /* A2 */
    atomic {
      if
      :: life[s] == l ->
        assert(EPOCH(l) < 7 || bound_of_the_model);
        life[s] = LIFE(ATTACHING, (EPOCH(l) + 1), me); slot_of[me] = s; l = 0; s = 0; working = working | BIT(me)
      :: else -> l = 0; s = 0; goto detached
      fi
    };
    /* A3 */
    atomic { hazard[slot_of[me]] = 0; u = 0 };
a3_sweep:
    atomic {
      w = unit[u];
      if
      :: IN(EXTRA, slot_of[me]) ->
        if
        :: STATE(w) == REFILLING && IN(extra[u], slot_of[me])
        :: else -> goto a3_extra
        fi
      :: else ->
        if
        :: IN(HOLDERS(w), slot_of[me])
        :: else -> w = 0; goto a3_next
        fi
      fi
    };
    atomic {
      if
      :: SAME(unit[u], w) ->
        unit[u] = WORD((STATE(w) == REFILLING -> PURGED : STATE(w)), HOLDERS(w) & ~MINE) | REL(w)
      :: else -> goto a3_sweep
      fi
    };
a3_extra:
    atomic {
      w = 0;
      if
      :: IN(EXTRA, slot_of[me]) && IN(extra[u], slot_of[me]) -> extra[u] = extra[u] & ~MINE
      :: else
      fi
    };
a3_next:
    atomic {
      u++;
      if
      :: u < UNITS -> goto a3_sweep
      :: else -> u = 0; back = ATTACH_OP
      fi
    };
    atomic { life[slot_of[me]] = LIFE(ACTIVE, EPOCH(life[slot_of[me]]), me); goto a4 };

a1:
    atomic {
      if
      :: life[s] == l -> life[s] = LIFE(ACTIVE, EPOCH(l), me); slot_of[me] = s; l = 0; s = 0; working = working | BIT(me)
      :: else -> l = 0; s = 0; goto detached
      fi
    };
    atomic { hazard[slot_of[me]] = 0 };
a4:
    s = 0;
a4_next:
    atomic {
      if
      :: s >= NS -> goto a4_done
      :: else
      fi;
      if
      :: s != slot_of[me] && hazard[s] == slot_of[me] + 1
      :: else -> s++; goto a4_next
      fi
    };
    atomic {
      l = life[s];
      if
      :: PHASE(l) == FREE -> l = 0; s++; goto a4_next
      :: else
      fi
    };
    atomic {
      if
      :: DEAD(l) -> l = 0; s++; goto a4_next
      :: else -> l = 0; s = 0; goto a5
      fi
    };
a4_done:
    /* The object is there from here on. */
    atomic {
      ATTACHED(0);
#if UNITS == 2
      ATTACHED(1);
#endif
      objects = objects | BIT(me);
#ifndef BUG_ATTACH_DOES_NOT_LOOK
      if
      :: back == ATTACH_OP -> s = 0; mask = ALL; goto give
      :: else
      fi;
#endif
      OVER
    };

idle:
    atomic {
      if
      :: ops == 0 -> goto finished
      :: ops > 0 && IN(PINNERS, me) && !IN(held, 0) && !(me == 0 && IN(initial, 0)) -> ops--; u = 0; goto pin
      :: ops > 0 && IN(PURGERS, me) && !IN(held, 0) -> ops--; mask = 1; goto purge
#if UNITS == 2
      :: ops > 0 && IN(PINNERS, me) && !IN(held, 1) && !(me == 0 && IN(initial, 1)) -> ops--; u = 1; goto pin
      :: ops > 0 && IN(PURGERS, me) && !IN(held, 1) -> ops--; mask = 2; goto purge
      :: ops > 0 && held == 3 -> ops--; mask = 1; back = UNPIN_OP; goto unpin
      :: ops > 0 && held == 3 -> ops--; mask = 2; back = UNPIN_OP; goto unpin
#endif
      :: ops > 0 && held -> ops--; mask = held; back = UNPIN_OP; goto unpin
      :: ops > 0 && refiller -> ops--; mask = held; back = COLLECT_OP; goto unpin /* collected: gone without a word */
#ifdef TOUCH /* refused: the kernel has discarded some of it */
      :: ops > 0 && !IN(held, 0) && IN(unpinned & purged, 0) -> ops--; u = 0; goto k6
#if UNITS == 2
      :: ops > 0 && !IN(held, 1) && IN(unpinned & purged, 1) -> ops--; u = 1; goto k6
#endif
#endif
#if CREATOR
      :: ops > 0 && me == 0 && initial == ALL && creator_hold -> ops--; goto close
      :: ops > 0 && me == 0 && IN(initial, 0) -> ops--; u = 0; goto release
#endif
      :: ops > 0 && IN(LEAVERS, me) && !held && !(me == 0 && initial) -> ops--; goto a5
      fi
    };

    /* A5, and the way out of A4 */
a5:
    atomic {
      assert(EPOCH(life[slot_of[me]]) < 7 || bound_of_the_model);
      life[slot_of[me]] = FREE | ((EPOCH(life[slot_of[me]]) + 1) << 2);
      slot_of[me] = NONE; objects = objects & ~BIT(me);
      missed[0] = missed[0] & ~BIT(me); gone_before[0] = gone_before[0] & ~BIT(me); seen[0] = 0;
#if UNITS == 2
      missed[1] = missed[1] & ~BIT(me); gone_before[1] = gone_before[1] & ~BIT(me); seen[1] = 0;
#endif
      OVER; goto detached
    };

#if CREATOR
    /* The end of the initial hold: of all units, or of one of them (T3 with RELEASED) */
close:
    atomic {
      working = working | BIT(me); mask = ALL; back = CLOSE_OP;
#ifdef BUG_CREATOR_WALKS_FIRST
      initial = 0; goto give
#endif
    };
    atomic { creator_hold = 0; initial = 0; goto give };
release:
    atomic { working = working | BIT(me); w = unit[u] };
    atomic {
      if
      :: SAME(unit[u], w) -> unit[u] = w | RELEASED; initial = initial & ~BIT(u); mask = BIT(u); w = 0; back = RELEASE_OP; goto give
      :: else -> goto release
      fi
    };
#endif

    /* ------------------------------------------------------------------ pin */
pin:
    atomic {
      pinning[u] = pinning[u] | BIT(me); working = working | BIT(me);
      if
      :: refillers[u] -> met_refiller = met_refiller | BIT(me)
      :: else
      fi;
      if
      :: !IN(content, u) -> met_loss = met_loss | BIT(me)
      :: else
      fi;
      back = PIN_OP
    };
pin_again:
    if
    :: IN(EXTRA, slot_of[me]) -> atomic { extra[u] = extra[u] | MINE }
    :: else
    fi;
pin_look:
    atomic {
      w = unit[u];
      if
      :: STATE(w) == PURGING ->
        if
        :: IN(EXTRA, slot_of[me]) -> goto pin_retreat
        :: else -> goto claimed
        fi
#ifdef BUG_T6_IGNORES_VOLATILE
      :: STATE(w) != PURGING && IS_VOLATILE(w) && !IN(EXTRA, slot_of[me]) -> goto k1
#else
      :: STATE(w) != PURGING && IS_VOLATILE(w) -> goto k1
#endif
      :: !IS_VOLATILE(w) && STATE(w) == REFILLING ->
        if
        :: IN(EXTRA, slot_of[me]) -> holds[u] = holds[u] | BIT(me)
        :: else
        fi;
        todo = HOLDERS(w) & ~MINE; told = 1 /* no holder met yet */; goto holders
      :: else -> /* READY, PURGED */
        if
        :: IN(EXTRA, slot_of[me]) -> holds[u] = holds[u] | BIT(me); lost = (STATE(w) == PURGED); w = 0; goto pinned
        :: else
        fi
      fi
    };
pin_take: /* T1, T2. `told` here: REFILLING with no holder at all, which becomes PURGED */
    atomic {
      if
      :: SAME(unit[u], w) ->
        if
        :: STATE(w) == PURGED || told -> unit[u] = WORD(PURGED, HOLDERS(w)) | REL(w); lost = 1
        :: else
        fi;
        if
        :: IN(EXTRA, slot_of[me])
        :: else -> unit[u] = unit[u] | WORD(0, MINE)
        fi;
        holds[u] = holds[u] | BIT(me); w = 0; told = 0; goto pinned
      :: else -> w = 0; told = 0; goto pin_look
      fi
    };
pin_sure: /* T6: the holder that was met alive may be the next owner of a dead refiller's slot, and the unit PURGED by now */
    if
    :: atomic { STATE(unit[u]) == REFILLING -> goto pinned }
    :: atomic { STATE(unit[u]) != REFILLING -> holds[u] = holds[u] & ~BIT(me); goto pin_look }
    fi;
pin_retreat: /* T6: waits holding nothing */
    atomic { extra[u] = extra[u] & ~MINE; holds[u] = holds[u] & ~BIT(me); goto claimed };

k1:
#ifdef BUG_K1_NO_CLAIM
    atomic { KERNEL_PIN(u) };
    if
    :: answer -> atomic { generation[u]++ }
    :: else
    fi;
    atomic {
      if
      :: SAME(unit[u], w) ->
        lost = (answer || STATE(w) == PURGED);
        unit[u] = WORD((lost -> PURGED : READY), (IN(EXTRA, slot_of[me]) -> 0 : MINE)) | REL(w);
        holds[u] = holds[u] | BIT(me); w = 0; answer = 0; goto pinned
      :: else -> w = 0; answer = 0; goto pin_look
      fi
    };
#endif
    atomic {
      if
#ifdef BUG_K1_CLAIMS_VOLATILE
      :: SAME(unit[u], w) -> unit[u] = MY_CLAIM | VOLATILE | REL(w); lost = (STATE(w) == PURGED); w = 0
#else
      :: SAME(unit[u], w) -> unit[u] = MY_CLAIM | REL(w); lost = (STATE(w) == PURGED); w = 0
#endif
      :: else -> w = 0; goto pin_look
      fi
    };
    atomic { KERNEL_PIN(u) };
#ifdef BUG_GENERATION_ONLY_FROM_READY
    atomic {
      if
      :: answer && !lost -> generation[u]++
      :: else
      fi;
      lost = lost || answer; answer = 0
    };
#else
    if
    :: answer -> atomic { generation[u]++; lost = 1; answer = 0 }
    :: else
    fi;
#endif
    atomic {
      PUBLISH(WORD((lost -> PURGED : READY), (IN(EXTRA, slot_of[me]) -> 0 : MINE)));
      holds[u] = holds[u] | BIT(me)
    };

pinned:
    /* Another unit of the same pin may fail: then this one is given back as it is, and its caller told nothing. */
    if
    :: atomic {
        lost = 0; back = COLLECT_OP; pinning[u] = pinning[u] & ~BIT(me);
        met_refiller = met_refiller & ~BIT(me); met_loss = met_loss & ~BIT(me);
        held = held | BIT(u); mask = BIT(u); goto unpin
      }
    /* T2b. From here on this pin is not taken back. PURGING: in a row only. */
    :: atomic {
        lost ->
        if
        :: STATE(unit[u]) == PURGED -> unit[u] = (unit[u] & ~3) | REFILLING; BECOME_REFILLER
        :: else
        fi;
        goto pin_returns
      }
    :: !lost -> goto pin_returns
    fi;
pin_returns:
    atomic {
      held = held | BIT(u); pinning[u] = pinning[u] & ~BIT(me);
      told = (lost || generation[u] != seen[u]); seen[u] = generation[u];
      if
      :: told ->
        assert(deaths < DEATHS || IN(missed[u] | gone_before[u], me) || IN(met_loss, me) || kernel_told_of_a_loss_that_was_none);
        missed[u] = missed[u] & ~BIT(me)
      :: else ->
        assert(IN(content, u) || IN(met_refiller, me) || law3_kept_though_lost);
        assert(!IN(missed[u], me) || law3_object_not_told)
      fi;
      gone_before[u] = gone_before[u] & ~BIT(me);
      met_refiller = met_refiller & ~BIT(me); met_loss = met_loss & ~BIT(me);
      OVER; goto idle
    };

    /* ---------------------- unpin of the units in `mask`; COLLECT_OP: a failed pin or a refiller that never filled */
unpin:
    atomic {
      working = working | BIT(me); todo = mask;
      if
      :: back == UNPIN_OP -> content = content | (refiller & mask);
        refillers[0] = refillers[0] & ~(IN(mask, 0) -> BIT(me) : 0);
#if UNITS == 2
        refillers[1] = refillers[1] & ~(IN(mask, 1) -> BIT(me) : 0)
#endif
      :: else
      fi
    };
#ifdef BUG_LOOKS_BEFORE_CLEARING
    atomic {
      u = (IN(mask, 0) -> 0 : 1);
      if
      :: (HOLDERS(unit[u]) & ~MINE) || (extra[u] & ~MINE) -> mask = mask & ~BIT(u)
      :: else
      fi
    };
#endif
unpin_next:
    atomic {
      if
      :: todo == 0 -> u = 0; goto give
      :: else -> u = (IN(todo, 0) -> 0 : 1); todo = todo & ~BIT(u)
      fi
    };
    if
    :: IN(EXTRA, slot_of[me]) && !IN(refiller, u) -> goto unpin_extra
    :: else
    fi;
unpin_look:
    atomic {
      w = unit[u];
      if
      :: IN(EXTRA, slot_of[me]) && (STATE(w) == READY || STATE(w) == PURGING || (STATE(w) == PURGED && back == COLLECT_OP)) ->
        w = 0; goto unpin_extra
      :: else
      fi
    };
    /* T3 */
    atomic {
      if
      :: SAME(unit[u], w) ->
        if
        :: IN(EXTRA, slot_of[me])
        :: else -> w = w & ~WORD(0, MINE); holds[u] = holds[u] & ~BIT(me)
        fi;
        if
        :: IN(refiller, u) && back == UNPIN_OP -> unit[u] = WORD(READY, HOLDERS(w)) | REL(w)
        :: IN(refiller, u) && back == COLLECT_OP && STATE(w) == REFILLING -> unit[u] = WORD(PURGED, HOLDERS(w)) | REL(w)
        :: else -> unit[u] = w
        fi;
        w = 0; refillers[u] = refillers[u] & ~BIT(me);
        if
        :: IN(EXTRA, slot_of[me])
        :: else -> refiller = refiller & ~BIT(u); held = held & ~BIT(u); goto unpin_next
        fi
      :: else -> w = 0; goto unpin_look
      fi
    };
unpin_extra:
    atomic {
      extra[u] = extra[u] & ~MINE; holds[u] = holds[u] & ~BIT(me);
      refiller = refiller & ~BIT(u); refillers[u] = refillers[u] & ~BIT(me); held = held & ~BIT(u); goto unpin_next
    };

    /* ---------------------------------------------------------------- purge */
purge:
    atomic { back = PURGE_OP; working = working | BIT(me); goto give };
k5:
    atomic {
      w = unit[u];
      if
#ifdef AGAIN
      :: (STATE(w) == READY || STATE(w) == PURGED) && IS_VOLATILE(w)
#else
      :: STATE(w) == READY && IS_VOLATILE(w)
#endif
      :: else -> goto over
      fi
    };
#ifndef BUG_K5_NO_CLAIM
    atomic {
      if
      :: SAME(unit[u], w) -> unit[u] = MY_CLAIM | REL(w)
      :: else -> goto over
      fi
    };
#endif
    /* A look at the rows may find somebody alive there, who is about to wait, or not: both are right. */
    atomic {
      if
#ifdef BUG_K5_BACK_TO_PINNED
      :: extra[u] -> PUBLISH(STATE(w)); goto over
#else
      :: extra[u] -> PUBLISH(STATE(w) | VOLATILE); goto over
#endif
      :: true
      fi
    };
    atomic { generation[u]++ };
    atomic { DISCARD(u) };
#ifdef BUG_K5_NO_CLAIM
    atomic {
      if
      :: SAME(unit[u], w) -> unit[u] = PURGED | VOLATILE | REL(w)
      :: else
      fi;
      goto over
    };
#else
    atomic { w = 0; PUBLISH(PURGED | VOLATILE); goto over };
#endif

#ifdef TOUCH
    /* -------------------------- K6, in the handler of the refused touch, which comes back as long as it is refused */
k6:
    atomic {
      working = working | BIT(me); w = unit[u];
      if
#ifdef BUG_K6_OF_PINNED
      :: STATE(w) != PURGING
#else
      :: STATE(w) != PURGING && IS_VOLATILE(w)
#endif
      :: else -> goto over
      fi
    };
    atomic {
      if
#ifdef BUG_K6_NO_CLAIM
      :: SAME(unit[u], w) -> lost = (STATE(w) == PURGED)
#elif defined(BUG_K6_CLAIMS_VOLATILE)
      :: SAME(unit[u], w) -> unit[u] = MY_CLAIM | VOLATILE | REL(w); lost = (STATE(w) == PURGED); w = 0
#else
      :: SAME(unit[u], w) -> unit[u] = MY_CLAIM | REL(w); lost = (STATE(w) == PURGED); w = 0
#endif
      :: else -> goto over
      fi
    };
    atomic { KERNEL_PIN(u) };
#ifdef BUG_K6_FORGETS_ANSWER
    answer = 0;
#endif
    if
    :: answer -> atomic { generation[u]++; lost = 1; answer = 0 }
    :: else
    fi;
#ifdef BUG_K6_STAYS_PINNED
    atomic { PUBLISH((lost -> PURGED : READY)); goto over };
#endif
    atomic { KERNEL_UNPIN(BIT(u)) };
#ifdef BUG_K6_NO_CLAIM
    atomic {
      if
      :: SAME(unit[u], w) -> unit[u] = (lost -> PURGED : READY) | VOLATILE | REL(w)
      :: else
      fi;
      goto over
    };
#else
    atomic { PUBLISH((lost -> PURGED : READY) | VOLATILE); goto over };
#endif
#endif

    /* --------------------------------- the word w says PURGING: a pin takes over, or waits a bounded time */
claimed:
    atomic { l = life[CLAIM_SLOT(w)] };
    atomic {
      if
      :: !CLAIM_OF(w, l) || DEAD(l) -> l = 0; goto take_over
      :: else -> l = 0
      fi
    };
    if
    :: back != PIN_OP -> goto give_next
    :: else
    fi;
    atomic {
      w = 0;
      if
      :: waits == 0 -> waits = 1; goto pin_again
      :: else
      fi;
      /* ERR_REGION_BUSY */
      pinning[u] = pinning[u] & ~BIT(me); met_refiller = met_refiller & ~BIT(me); met_loss = met_loss & ~BIT(me);
#ifndef BUG_BUSY_DOES_NOT_LOOK
      if
      :: IN(EXTRA, slot_of[me]) -> back = BUSY_OP; mask = BIT(u); goto give
      :: else
      fi;
#endif
      goto over
    };
take_over:
    atomic {
      if
      :: SAME(unit[u], w) ->
        if
#ifdef BUG_K3_OF_A_RUN
        :: IS_VOLATILE(w) && back != PIN_OP -> unit[u] = MY_CLAIM | VOLATILE | REL(w); claims = claims | BIT(u); w = 0; goto give_next
#endif
        :: IS_VOLATILE(w) -> unit[u] = MY_CLAIM | VOLATILE | REL(w); kind = K3
        :: else -> unit[u] = MY_CLAIM | REL(w); kind = K4
        fi;
        w = 0; goto claim
      :: else -> w = 0; goto taken_over
      fi
    };
taken_over:
    atomic {
      kind = 0; w = 0;
      if
      :: back == PIN_OP -> goto pin_again
      :: else -> goto give_look
      fi
    };

    /* --------------------- give the units in `mask` to the kernel, as far as nobody holds them (K2, K2p) */
give:
    atomic {
      if
      :: mask == 0 -> goto give_call
      :: else -> u = (IN(mask, 0) -> 0 : 1); mask = mask & ~BIT(u)
      fi
    };
give_look:
    atomic {
      w = unit[u]; excused = excused & ~BIT(u);
      if
      :: STATE(w) == PURGING -> goto claimed
      :: STATE(w) != PURGING && IS_VOLATILE(w) -> w = 0; goto give_next
      :: else
      fi
    };
#if CREATOR
    atomic {
      if
      :: !REL(w) && creator_hold && life[0] == CREATOR_LIFE && !DEAD(life[0]) && CREATOR_HOLD_COUNTS -> w = 0; goto give_next
      :: else
      fi
    };
#endif
    atomic { todo = HOLDERS(w); told = 1; goto holders };
give_take:
    atomic {
      told = 0;
      if
      :: SAME(unit[u], w) && STATE(w) == READY -> unit[u] = MY_CLAIM | VOLATILE | REL(w); kind = K2
      :: SAME(unit[u], w) && STATE(w) == PURGED -> unit[u] = MY_CLAIM | REL(w); kind = K2P
      :: SAME(unit[u], w) && STATE(w) == REFILLING -> unit[u] = PURGED | REL(w); w = 0; goto give_look
      :: else -> w = 0; goto give_look
      fi;
      w = 0
    };

    /* The unit is claimed, as `kind` says. Look at the rows; no more than the owners of bits there can hold it. */
claim:
#if EXTRA
    atomic {
      if
#ifdef BUG_K2_NO_EXTRA
      :: kind == K2 -> goto claim_free
#endif
#ifdef BUG_K2P_NO_EXTRA
      :: kind == K2P -> goto claim_free
#endif
#ifdef BUG_K3_NO_EXTRA
      :: kind == K3 -> goto claim_free
#endif
#ifdef BUG_K4_NO_EXTRA
      :: kind == K4 -> goto claim_free
#endif
      :: else -> todo = extra[u]; s = 0
      fi
    };
claim_next:
    atomic {
      do
      :: s < NS && !IN(todo, s) -> s++
      :: else -> break
      od;
      if
      :: s == NS -> s = 0; todo = 0; goto claim_free
      :: else -> l = life[s]
      fi
    };
    atomic {
      if
      :: PHASE(l) != ACTIVE || DEAD(l) -> l = 0; todo = todo & ~BIT(s); goto claim_next
      :: else -> l = 0; s = 0; todo = 0
      fi
    };
    /* There is a live holder. */
    if
    :: kind == K2 -> atomic { PUBLISH(READY); goto claim_back }
    :: kind == K2P -> atomic { PUBLISH(PURGED); goto claim_back }
#ifdef BUG_K3_BACK_TO_PINNED
    :: kind == K3 -> atomic { PUBLISH(READY); goto taken_over }
#endif
#ifdef BUG_K3_PINS_UNDER_VOLATILE
    :: kind == K3
#else
    :: kind == K3 -> atomic { PUBLISH(MY_CLAIM) } /* from here on an answer may be lost */
#endif
    :: kind == K4
    fi;
#ifdef BUG_K4_BACK_WITHOUT_PIN
    if
    :: kind == K4 -> goto claim_told
    :: else
    fi;
#endif
    atomic { KERNEL_PIN(u) };
claim_told:
    if
    :: kind == K4 || answer -> atomic { generation[u]++; answer = 1 }
    :: else
    fi;
    atomic { PUBLISH((answer -> PURGED : READY)); answer = 0; goto taken_over };
claim_back:
    atomic {
      kind = 0;
#ifdef BUG_K2_BACK_AND_GONE
      goto give_next
#else
      goto give_look
#endif
    };
claim_free:
#endif
    atomic {
      if
      :: kind == K2 -> kind = 0; claims = claims | BIT(u); goto give_next
      :: else
      fi
    };
#ifdef BUG_K3_AS_PINNED
    if
    :: kind == K3 -> atomic { PUBLISH(READY); goto taken_over }
    :: else
    fi;
#endif
#ifdef BUG_K4_SAYS_KEPT
    atomic { KERNEL_UNPIN(BIT(u)) };
    if
    :: kind == K4 -> atomic { PUBLISH(READY | VOLATILE); goto taken_over }
    :: else
    fi;
#endif
    if
    :: kind == K4 -> atomic { generation[u]++ }
    :: else
    fi;
    atomic { KERNEL_UNPIN(BIT(u)) };
    if
    :: kind == K4 -> atomic { DISCARD(u) }
    :: else
    fi;
    if
    :: kind == K3 -> atomic { PUBLISH(READY | VOLATILE); goto taken_over }
    :: kind == K4 -> atomic { PUBLISH(PURGED | VOLATILE); goto taken_over }
    :: kind == K2P -> atomic { PUBLISH(PURGED | VOLATILE); kind = 0; goto give_next }
    fi;
give_next:
    atomic { w = 0; goto give };
give_call: /* one call for the run */
    atomic {
      if
      :: claims -> KERNEL_UNPIN(claims)
      :: else -> goto given
      fi
    };
give_publish:
    atomic {
      if
      :: claims == 0 -> goto given
      :: IN(claims, 0) -> w = u; u = 0; PUBLISH(READY | VOLATILE); claims = claims & ~1; u = w; w = 0
      :: !IN(claims, 0) && IN(claims, 1) -> w = u; u = UNITS - 1; PUBLISH(READY | VOLATILE); claims = 0; u = w; w = 0
      fi;
      goto give_publish
    };
given:
    if
    :: back == PURGE_OP -> goto k5
#ifdef BUG_CREATOR_WALKS_FIRST
    :: back == CLOSE_OP -> atomic { creator_hold = 0; goto over }
#endif
    :: else
    fi;
over:
    atomic { OVER; goto idle };

    /* ---- the holders of w, one by one; `told` as long as none was met that counts. A pin looks at them in REFILLING only. */
holders:
#if EXTRA
    atomic { todo = (todo | extra[u]) & ~(back == PIN_OP -> MINE : 0); s = 0 };
#endif
holders_next:
    atomic {
      do
      :: s < NS && !IN(todo, s) -> s++
      :: else -> break
      od;
      if
      :: s < NS -> l = life[s]; todo = todo & ~BIT(s)
      :: else ->
        s = 0;
        if
        :: back == PIN_OP ->
          if
          :: told -> goto pin_take
          :: IN(EXTRA, slot_of[me]) -> w = 0; goto pin_sure
          :: else -> goto pin_take
          fi
        :: back != PIN_OP && told -> goto give_take
        :: else -> told = 0; goto give_next
        fi
      fi
    };
    atomic {
      if
      :: PHASE(l) != ACTIVE || DEAD(l) -> goto recover
      :: else -> l = 0; told = 0;
        if
        :: back == PIN_OP -> goto holders_next
        :: else -> s = 0; todo = 0; goto give_next
        fi
      fi
    };

    /* ---------------------------------- R1: slot s, whose life word l was void or of the dead */
recover:
    told = 0; todo = 0; w = 0;
    atomic { hazard[slot_of[me]] = s + 1 };
    atomic {
      if
      :: life[s] == l
      :: else -> goto recovered
      fi
    };
recover_look:
    atomic {
      l = 0; w = unit[u];
      if
      :: IN(EXTRA, s) ->
        if
        :: STATE(w) == REFILLING
        :: else -> w = 0; goto recover_extra
        fi
      :: else ->
        if
        :: IN(HOLDERS(w), s)
        :: else -> w = 0; goto recovered
        fi
      fi
    };
    atomic {
      if
      :: SAME(unit[u], w) ->
        if
        :: IN(EXTRA, s)
        :: else -> w = w & ~WORD(0, BIT(s))
        fi;
        if
        :: STATE(w) == REFILLING -> unit[u] = WORD(PURGED, HOLDERS(w)) | REL(w)
        :: else -> unit[u] = w
        fi;
        w = 0;
        if
        :: IN(EXTRA, s)
        :: else -> goto recovered
        fi
      :: else -> w = 0; goto recover_look
      fi
    };
recover_extra:
    atomic { extra[u] = extra[u] & ~BIT(s) };
recovered:
    atomic {
      hazard[slot_of[me]] = 0; s = 0; l = 0;
      if
      :: back == PIN_OP -> goto pin_look
      :: else -> goto give_look
      fi
    };
finished:
    skip
  } unless {
    atomic {
      !IN(alive, me) ->
        slot_of[me] = NONE; s = 0; u = 0; todo = 0; back = 0; waits = 0; mask = 0; claims = 0; kind = 0; held = 0; refiller = 0;
        w = 0; l = 0; answer = 0; told = 0; lost = 0; seen[0] = 0;
#if UNITS == 2
        seen[1] = 0;
#endif
        if
        :: births > 0 && ops > 0 -> births--; inc[me]++; alive = alive | BIT(me); goto life_begins
        :: else
        fi
    }
  }
}

/* A process without a slot has written nothing: for the others its death is a freeze. */
#define FORGET(v, p) \
  holds[v] = holds[v] & ~BIT(p); refillers[v] = refillers[v] & ~BIT(p); \
  pinning[v] = pinning[v] & ~BIT(p); missed[v] = missed[v] & ~BIT(p); gone_before[v] = gone_before[v] & ~BIT(p)
#if UNITS == 2
#define FORGET_ALL(p) FORGET(0, p); FORGET(1, p)
#else
#define FORGET_ALL(p) FORGET(0, p)
#endif
#define KILL(p) \
  atomic { \
    deaths > 0 && IN(alive & MORTALS, p) && slot_of[p] != NONE -> \
      deaths--; alive = alive & ~BIT(p); excused = ALL; working = working & ~BIT(p); \
      FORGET_ALL(p); met_refiller = met_refiller & ~BIT(p); met_loss = met_loss & ~BIT(p); objects = objects & ~BIT(p); \
      initial = (p == 0 -> 0 : initial) \
  }

proctype Killer() {
end:
  do
  :: KILL(0)
  :: KILL(1)
#if PROCS > 2
  :: KILL(2)
#endif
  od
}

proctype Shrinker() {
end:
  do
  :: atomic {
      shrinks > 0 && IN(unpinned, 0) && !IN(purged, 0) ->
        shrinks--; DISCARD(0); purged = purged | 1;
#if UNITS == 2
        if
        :: joined -> DISCARD(1); purged = 3
        :: else
        fi
#endif
    }
#if UNITS == 2
  :: atomic { shrinks > 0 && IN(unpinned, 1) && !IN(purged, 1) && !joined -> shrinks--; DISCARD(1); purged = purged | 2 }
#endif
  od
}

init {
  atomic {
    byte p = 0;
    do
    :: p < PROCS ->
      if
      :: IN(ATT, p) -> slot_of[p] = p; life[p] = LIFE(ACTIVE, 0, p); objects = objects | BIT(p)
      :: else -> slot_of[p] = NONE
      fi;
      p++
    :: else -> break
    od;
    p = 0;
    if
    :: DEATHS > 0 -> run Killer()
    :: else
    fi;
    run Shrinker();
    run Proc(0); run Proc(1);
    if
    :: PROCS > 2 -> run Proc(2)
    :: else
    fi
  }
}
