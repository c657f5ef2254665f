/*
 * The pin protocol of docs/protocol.md for one unit, as a spin model. README.md says what is proven and within which bounds;
 * check.mjs runs every configuration.
 *
 * One `atomic` block is one operation on one shared word plus work on private variables. Between two blocks a process may be
 * delayed for good (a freeze) or be killed (see Killer).
 *
 * Ghosts are what is really the case. The protocol never reads them, with one exception: DEAD is the verdict of the kernel.
 */

#ifndef NS
#define NS 2 /* slots */
#endif
#ifndef OPS
#define OPS 5 /* operations begun, by all processes together */
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef BIRTHS
#define BIRTHS 0 /* dead processes that come back as somebody new */
#endif
#ifndef ATT
#define ATT 7 /* processes that are attached at the start, process p in slot p */
#endif
#ifndef EXTRA
#define EXTRA 0 /* slots whose holder bit is in a row, as a mask */
#endif
#ifndef START
#define START 0 /* state of the unit at the start */
#endif

#define NONE 3
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

/* Unit word: state 0..1; PURGING: slot 2..3, the life word without its phase from 4 on; else holder bits 2..4 */
#define READY 0
#define PURGING 1
#define PURGED 2
#define REFILLING 3
#define STATE(w) ((w) & 3)
#define HOLDERS(w) (((w) >> 2) & 7)
#define WORD(st, b) ((st) | ((b) << 2))
#define CLAIM(s, l) (PURGING | ((s) << 2) | (((l) >> 2) << 4))
#define CLAIM_SLOT(w) (((w) >> 2) & 3)
#define CLAIM_DEAD(w) (!(IN(alive, ((w) >> 7) & 3) && inc[((w) >> 7) & 3] == (((w) >> 9) & 3)))

/*
 * An exec keeps pid and start time, so that in EXEC mode the incarnation is not part of what a word shows: it stays in our words as a
 * ghost, for the verdict (which goes by `image`), and comparisons do not see it.
 */
#ifdef EXEC
#define SEEN_INC 0
#else
#define SEEN_INC 3
#endif
#ifdef BUG_NO_EPOCH_IN_CLAIM
#define SEEN_EPOCH 0
#else
#define SEEN_EPOCH 7
#endif
#define LIFE_SHOWN (127 | (SEEN_INC << 7))
#define CLAIM_SHOWN (15 | (SEEN_EPOCH << 4) | (3 << 7) | (SEEN_INC << 9))
#define SAME_LIFE(a, b) (((a) & LIFE_SHOWN) == ((b) & LIFE_SHOWN))
#define SAME(a, b) ((a) == (b) || (STATE(a) == PURGING && STATE(b) == PURGING && ((a) & CLAIM_SHOWN) == ((b) & CLAIM_SHOWN)))
#define CLAIM_OF(w, l) (PHASE(l) != FREE && SAME(CLAIM(CLAIM_SLOT(w), l), w))

#ifdef BUG_EPOCH_KEPT
#define TAKEN_EPOCH(l) EPOCH(l)
#else
#define TAKEN_EPOCH(l) (EPOCH(l) + 1)
#endif

/* Shared memory */
short unit = START;
byte extra;
byte generation;
short life[NS];
byte hazard[NS];

/* Bounds */
byte ops = OPS;
byte deaths = DEATHS;
byte births = BIRTHS;

/* Ghosts; masks are of processes unless said otherwise */
byte inc[3];
byte alive = 7;
byte slot_of[3];
bool content = (START == READY);
byte holds;
byte refillers;  /* by T2b, which no pin takes back; alive, holding, not yet done */
byte pinning;
byte met_refiller; /* of the pinning: there was a live refiller at some moment of the pin */
byte objects;
byte missed;     /* their object was there at a discard and has not been told */
byte dead_bits;  /* slots whose bit was set by somebody who is dead */
byte dead_before[3]; /* dead_bits at the start of the process's purge, less those cleared since */

/* Never set: names that make spin's message say which law it was. */
bool law1_discarded_under_a_live_holder, law2_purge_stopped_by_the_dead, law2_inherited_a_bit, law3_kept_though_lost,
  law3_object_not_told, law6_busy_for_the_dead, bound_of_the_model;

#define BITS_CLEARED(s) \
  dead_bits = dead_bits & ~BIT(s); dead_before[0] = dead_before[0] & ~BIT(s); \
  dead_before[1] = dead_before[1] & ~BIT(s); dead_before[2] = dead_before[2] & ~BIT(s)

#define MINE BIT(slot_of[me])
#define BECOME_REFILLER \
  refiller = 1; refillers = refillers | BIT(me); met_refiller = met_refiller | pinning; holds = holds | BIT(me)

proctype Proc(byte me) {
  byte seen, s, from, todo, back, waits;
  short w, l;
  bit refiller, took_over, purger_dead, told, lost;

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
      :: ops > 0 -> ops--; s = 1
#if NS > 2
      :: ops > 0 -> ops--; s = 2
#endif
      fi
    };
    /* The order in which slots are tried is no part of the argument: any slot may be tried first, also a dead one. */
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
      :: SAME_LIFE(life[s], l) ->
        assert(EPOCH(l) < 7 || bound_of_the_model);
        life[s] = LIFE(ATTACHING, TAKEN_EPOCH(l), me); slot_of[me] = s; l = 0; s = 0
      :: else -> l = 0; s = 0; goto detached
      fi
    };
    /* A3. The hazard was left by a dead owner; it would keep the slot that it names out of use. */
    atomic { hazard[slot_of[me]] = 0 };
#ifndef BUG_NO_SWEEP
a3_sweep:
    atomic {
      w = unit;
      if
      :: IN(EXTRA, slot_of[me]) ->
        if
        :: STATE(w) == REFILLING && IN(extra, slot_of[me])
        :: else -> goto a3_extra
        fi
      :: else ->
        if
        :: STATE(w) != PURGING && IN(HOLDERS(w), slot_of[me])
        :: else -> w = 0; goto a3_done
        fi
      fi
    };
    atomic {
      if
      :: SAME(unit, w) ->
        if
        :: STATE(w) == REFILLING -> unit = WORD(PURGED, HOLDERS(w) & ~MINE)
        :: else -> unit = WORD(STATE(w), HOLDERS(w) & ~MINE)
        fi;
        if
        :: IN(EXTRA, slot_of[me])
        :: else -> BITS_CLEARED(slot_of[me])
        fi
      :: else -> goto a3_sweep
      fi
    };
a3_extra:
    atomic {
      w = 0;
      if
      :: IN(EXTRA, slot_of[me]) -> extra = extra & ~MINE; BITS_CLEARED(slot_of[me])
      :: else
      fi
    };
a3_done:
#endif
    atomic { life[slot_of[me]] = LIFE(ACTIVE, EPOCH(life[slot_of[me]]), me); goto a4 };

a1:
    atomic {
      if
      :: SAME_LIFE(life[s], l) -> life[s] = LIFE(ACTIVE, EPOCH(l), me); slot_of[me] = s; l = 0; s = 0
      :: else -> l = 0; s = 0; goto detached
      fi
    };
    atomic { hazard[slot_of[me]] = 0 };
a4:
#ifndef BUG_NO_HAZARD_SCAN
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
#endif
    /* The object is there from here on. */
    atomic {
      s = 0; seen = generation; objects = objects | BIT(me);
      assert(!IN(extra | (STATE(unit) == PURGING -> 0 : HOLDERS(unit)), slot_of[me]) || law2_inherited_a_bit)
    };

idle:
    atomic {
      if
      :: ops == 0 -> goto finished
      :: ops > 0 -> ops--; goto pin
      :: ops > 0 -> ops--; goto purge
      :: ops > 0 -> ops--; goto a5
      fi
    };

    /* A5, and the way out of A4 */
a5:
    atomic {
      assert(EPOCH(life[slot_of[me]]) < 7 || bound_of_the_model);
      life[slot_of[me]] = FREE | ((EPOCH(life[slot_of[me]]) + 1) << 2);
      slot_of[me] = NONE; seen = 0; objects = objects & ~BIT(me); missed = missed & ~BIT(me);
      goto detached
    };

    /* ------------------------------------------------------------------ pin */
pin:
    atomic {
      pinning = pinning | BIT(me);
      if
      :: refillers -> met_refiller = met_refiller | BIT(me)
      :: else
      fi;
      back = 1
    };
pin_again:
    if
    :: IN(EXTRA, slot_of[me]) -> atomic { extra = extra | MINE }
    :: else
    fi;
pin_look:
    atomic {
      w = unit; purger_dead = (STATE(w) == PURGING && CLAIM_DEAD(w));
      if
      :: STATE(w) == PURGING ->
        if
        :: IN(EXTRA, slot_of[me]) -> goto pin_retreat
        :: else -> goto claimed
        fi
      :: STATE(w) == REFILLING ->
        if
        :: IN(EXTRA, slot_of[me]) -> holds = holds | BIT(me)
        :: else
        fi;
#ifndef BUG_FORGET_REFILLER
        todo = HOLDERS(w) & ~MINE; told = 1 /* no holder met yet */; goto holders
#endif
      :: else -> /* READY, PURGED */
        if
        :: IN(EXTRA, slot_of[me]) -> holds = holds | BIT(me); lost = (STATE(w) == PURGED); w = 0; goto pinned
        :: else
        fi
      fi
    };
pin_take: /* T1, T2. `told` here: REFILLING with no holder at all, which becomes PURGED */
    atomic {
      if
      :: SAME(unit, w) ->
        if
#ifdef BUG_T2_AT_ONCE
        :: STATE(w) == PURGED || told -> unit = WORD(REFILLING, HOLDERS(w)); refiller = 1
#else
        :: STATE(w) == PURGED || told -> unit = WORD(PURGED, HOLDERS(w)); lost = 1
#endif
        :: else
        fi;
        if
        :: IN(EXTRA, slot_of[me])
        :: else -> unit = unit | WORD(0, MINE)
        fi;
        holds = holds | BIT(me); w = 0; told = 0; goto pinned
      :: else -> w = 0; told = 0; goto pin_look
      fi
    };
pin_sure: /* T6: the holder that was met alive may be the next owner of a dead refiller's slot, and the unit PURGED by now */
#ifdef BUG_EXTRA_NO_SECOND_LOOK
    goto pinned;
#endif
    if
    :: atomic { STATE(unit) == REFILLING -> goto pinned }
    :: atomic { STATE(unit) != REFILLING -> holds = holds & ~BIT(me); goto pin_look }
    fi;
pin_retreat: /* T6: waits holding nothing; what it held after an earlier look was never answered for */
    atomic { extra = extra & ~MINE; BITS_CLEARED(slot_of[me]); holds = holds & ~BIT(me); goto claimed };

pinned:
    /* Another unit of the same pin may fail: then this one is given back as it is, and its caller told nothing. */
    if
    :: atomic {
        lost = 0; back = 2; pinning = pinning & ~BIT(me); met_refiller = met_refiller & ~BIT(me); goto unpin
      }
    /* T2b. From here on this pin is not taken back. PURGING: in a row only, and the bounded wait for its end is over. */
    :: atomic {
        lost ->
        if
        :: STATE(unit) == PURGED -> unit = WORD(REFILLING, HOLDERS(unit)); BECOME_REFILLER
        :: else
        fi;
        goto pin_returns
      }
    :: !lost -> goto pin_returns
    fi;
pin_returns:
    atomic {
      back = 0; pinning = pinning & ~BIT(me);
#ifdef BUG_T2_AT_ONCE
      if
      :: refiller -> lost = 1; BECOME_REFILLER
      :: else
      fi;
#endif
      told = (lost || generation != seen); seen = generation;
      if
      :: told -> missed = missed & ~BIT(me)
      :: else ->
        assert(content || IN(met_refiller, me) || law3_kept_though_lost);
        assert(!IN(missed, me) || law3_object_not_told)
      fi;
      told = 0; lost = 0; met_refiller = met_refiller & ~BIT(me)
    };

holding:
    atomic {
      if
      :: ops == 0 -> goto finished
      :: ops > 0 -> ops--; back = 3
      :: ops > 0 && refiller -> ops--; back = 2 /* collected: gone without a word. For others it is an unpin. */
      fi
    };
    if
    :: refiller && back == 3 -> atomic { content = 1; refillers = refillers & ~BIT(me) }
    :: else
    fi;

    /* ------------------------ unpin (back 3); a failed pin or a refiller that never filled (2) */
unpin:
    if
    :: IN(EXTRA, slot_of[me]) && !refiller -> goto unpin_extra
    :: else
    fi;
#ifdef BUG_EXTRA_BIT_FIRST
    if
    :: IN(EXTRA, slot_of[me]) ->
      atomic {
        extra = extra & ~MINE; BITS_CLEARED(slot_of[me]); holds = holds & ~BIT(me); refillers = refillers & ~BIT(me)
      }
    :: else
    fi;
#endif
unpin_look:
    atomic {
      w = unit;
      if
      :: IN(EXTRA, slot_of[me]) && (STATE(w) == READY || STATE(w) == PURGING || (STATE(w) == PURGED && back == 2)) ->
        w = 0; goto unpin_extra
      :: else
      fi
    };
    /* T3 */
    atomic {
      if
      :: SAME(unit, w) ->
        if
        :: IN(EXTRA, slot_of[me])
        :: else -> w = w & ~WORD(0, MINE); BITS_CLEARED(slot_of[me]); holds = holds & ~BIT(me)
        fi;
        if
        :: refiller && back == 3 -> unit = WORD(READY, HOLDERS(w))
#ifdef BUG_COLLECTED_IS_FILLED
        :: refiller && back == 2 -> unit = WORD(READY, HOLDERS(w))
#else
        :: refiller && back == 2 && STATE(w) == REFILLING -> unit = WORD(PURGED, HOLDERS(w))
#endif
        :: else -> unit = w
        fi;
        w = 0; refillers = refillers & ~BIT(me);
        if
        :: IN(EXTRA, slot_of[me])
        :: else -> refiller = 0; back = 0; goto idle
        fi
      :: else -> w = 0; goto unpin_look
      fi
    };
unpin_extra:
    atomic {
      extra = extra & ~MINE; BITS_CLEARED(slot_of[me]); holds = holds & ~BIT(me);
      refiller = 0; refillers = refillers & ~BIT(me); back = 0; goto idle
    };

    /* ---------------------------------------------------------------- purge */
purge:
    atomic { dead_before[me] = dead_bits; back = 0 };
purge_look:
    atomic {
      w = unit; purger_dead = (STATE(w) == PURGING && CLAIM_DEAD(w));
      if
      :: STATE(w) == PURGING -> goto claimed
      :: STATE(w) == PURGED -> goto purge_over
#ifdef AGAIN
      :: STATE(w) == PURGED && !HOLDERS(w) -> goto take_again
#ifdef BUG_T9_OVER_HOLDERS
      :: STATE(w) == PURGED && HOLDERS(w) -> goto take_again
#endif
#endif
      :: else -> todo = HOLDERS(w); told = 1; goto holders
      fi
    };
#ifdef AGAIN
take_again: /* T9 */
    atomic {
      if
      :: SAME(unit, w) -> unit = CLAIM(slot_of[me], life[slot_of[me]]); w = 0; took_over = 1; goto discard
      :: else -> w = 0; goto purge_over
      fi
    };
#endif
purge_take: /* T4 */
    atomic {
      if
      :: SAME(unit, w) ->
        unit = CLAIM(slot_of[me], life[slot_of[me]]);
#ifdef BUG_T4_OVER_DEAD
        todo = HOLDERS(w); s = 0;
        do
        :: s < NS -> 
          if
          :: IN(todo, s) -> BITS_CLEARED(s)
          :: else
          fi;
          s++
        :: else -> break
        od;
        s = 0; todo = 0;
#endif
        w = 0; took_over = 0; goto discard
      :: else -> w = 0; goto purge_look
      fi
    };
purge_lost: /* a REFILLING that nobody fills */
    atomic {
      told = 0;
      if
      :: SAME(unit, w) -> unit = WORD(PURGED, 0); goto purge_over
      :: else -> w = 0; goto purge_look
      fi
    };
discard:
#if EXTRA && !defined(BUG_NO_DEKKER)
    atomic {
      todo = extra;
      if
      :: todo == 0 -> goto discard_now
      :: else -> s = 0
      fi
    };
dekker:
    atomic {
      do
      :: s < NS && !IN(todo, s) -> s++
      :: else -> break
      od;
      if
      :: s == NS -> s = 0; todo = 0; goto discard_now
      :: else -> l = life[s]
      fi
    };
    atomic {
      if
      :: PHASE(l) != ACTIVE || DEAD(l) -> l = 0; todo = todo & ~BIT(s); goto dekker
      :: else ->
        /* a pin that meets a claim of the dead purges on the way and has no start of its own */
        assert(back == 1 || !IN(dead_before[me], s) || law2_purge_stopped_by_the_dead);
        l = 0; s = 0; todo = 0; goto discard_not
      fi
    };
discard_now:
#endif
    if
    :: atomic {
        assert(!(holds & alive) || law1_discarded_under_a_live_holder);
        content = 0; missed = missed | objects
      }
    :: goto discard_not /* the system call failed */
    fi;
discarded: /* T5 */
    atomic { generation++ };
    atomic {
      if
      :: SAME(unit, CLAIM(slot_of[me], life[slot_of[me]])) -> unit = WORD(PURGED, 0)
      :: else
      fi;
      took_over = 0; goto purge_over
    };
discard_not: /* T8 */
#ifndef BUG_T8_AFTER_T7
    /* The dead purger may have discarded: what cannot be ruled out must be told. */
    if
    :: took_over -> goto discarded
    :: else
    fi;
#endif
    atomic {
      if
      :: SAME(unit, CLAIM(slot_of[me], life[slot_of[me]])) -> unit = WORD(READY, 0)
      :: else
      fi;
      took_over = 0
    };
purge_over:
    atomic {
      w = 0; waits = 0;
      if
      :: back == 1 -> goto pin_again
      :: else -> dead_before[me] = 0; goto idle
      fi
    };

    /* ------------------------------- the word w says PURGING; T7 or a bounded wait */
claimed:
    atomic {
      l = life[CLAIM_SLOT(w)];
#ifdef BUG_BUSY_FOR_ALL
      goto claimed_wait;
#endif
      if
      :: !CLAIM_OF(w, l) -> l = 0; goto take_over
      :: else
      fi
    };
    atomic {
      if
      :: DEAD(l) -> l = 0; goto take_over
      :: else -> l = 0
      fi
    };
claimed_wait:
    atomic {
      l = 0;
      if
      :: waits == 0 -> w = 0; purger_dead = 0;
#ifndef BUG_WAIT_FOREVER
        waits = 1;
#endif
        if
        :: back == 1 -> goto pin_again
        :: else -> goto purge_look
        fi
      :: else
      fi;
#ifdef BUG_TAKE_FROM_LIVING
      goto take_over;
#endif
      /* ERR_REGION_BUSY */
      assert(!purger_dead || law6_busy_for_the_dead);
      waits = 0; w = 0; purger_dead = 0; back = 0; dead_before[me] = 0;
      pinning = pinning & ~BIT(me); met_refiller = met_refiller & ~BIT(me);
      holds = holds & ~BIT(me);
      goto idle
    };
take_over: /* T7 */
    atomic {
      purger_dead = 0;
      if
      :: SAME(unit, w) -> unit = CLAIM(slot_of[me], life[slot_of[me]]); w = 0; took_over = 1; goto discard
      :: else -> w = 0;
        if
        :: back == 1 -> goto pin_again
        :: else -> goto purge_look
        fi
      fi
    };

    /* ----------- the holders of w (READY: only in a purge; REFILLING), one by one; `told` as long as none was met that counts */
holders:
#if EXTRA
    atomic { todo = (todo | extra) & ~(back == 1 -> MINE : 0); s = 0 };
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
        :: back == 1 ->
          if
          :: told -> goto pin_take
          :: IN(EXTRA, slot_of[me]) -> w = 0; goto pin_sure
          :: else -> goto pin_take
          fi
#ifdef BUG_T4_FROM_REFILLING
        :: told -> told = 0; goto purge_take
#else
        :: STATE(w) == READY && told -> told = 0; goto purge_take
        :: STATE(w) == REFILLING && told -> goto purge_lost
#endif
        :: else -> told = 0; goto purge_over
        fi
      fi
    };
    atomic {
      if
      :: PHASE(l) != ACTIVE
      :: PHASE(l) == ACTIVE && DEAD(l)
#ifdef BUG_DEAD_BITS_COUNT
        -> goto holder_counts
#endif
      :: else -> goto holder_counts
      fi;
#ifdef BUG_T4_OVER_DEAD
      if
      :: back == 0 && STATE(w) == READY -> l = 0; goto holders_next
      :: else
      fi;
#endif
      goto recover
    };
holder_counts:
    atomic {
      l = 0;
      if
      :: back == 1 -> told = 0; goto holders_next
      :: else
      fi;
      assert(!IN(dead_before[me], s) || law2_purge_stopped_by_the_dead);
      s = 0; todo = 0; told = 0; goto purge_over
    };

    /* ---------------------------------- R1: slot s, whose life word l was void or of the dead */
recover:
    told = 0; todo = 0; w = 0;
#ifdef BUG_HAZARD_LATE
    atomic {
      if
      :: SAME_LIFE(life[s], l)
      :: else -> goto recovered
      fi
    };
    atomic { hazard[slot_of[me]] = s + 1 };
#else
    atomic { hazard[slot_of[me]] = s + 1 };
    atomic {
      if
      :: SAME_LIFE(life[s], l)
      :: else -> goto recovered
      fi
    };
#endif
#ifdef BUG_EXTRA_BIT_FIRST
    if
    :: IN(EXTRA, s) -> atomic { extra = extra & ~BIT(s); BITS_CLEARED(s) }
    :: else
    fi;
#endif
recover_look:
    atomic {
      l = 0; w = unit;
      if
      :: IN(EXTRA, s) ->
        if
        :: STATE(w) == REFILLING
        :: else -> w = 0; goto recover_extra
        fi
      :: else ->
        if
        :: STATE(w) != PURGING && IN(HOLDERS(w), s)
        :: else -> w = 0; goto recovered
        fi
      fi
    };
    atomic {
      if
      :: SAME(unit, w) ->
        if
        :: IN(EXTRA, s)
        :: else -> w = w & ~WORD(0, BIT(s)); BITS_CLEARED(s)
        fi;
        if
        :: STATE(w) == REFILLING -> unit = WORD(PURGED, HOLDERS(w))
        :: else -> unit = w
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
    atomic { extra = extra & ~BIT(s); BITS_CLEARED(s) };
recovered:
    atomic {
      hazard[slot_of[me]] = 0; s = 0; l = 0;
      if
      :: back == 1 -> goto pin_look
      :: else -> goto purge_look
      fi
    };
finished:
    skip
  } unless {
    atomic {
      !IN(alive, me) ->
        slot_of[me] = NONE; seen = 0; s = 0; todo = 0; back = 0; waits = 0; w = 0; l = 0;
        refiller = 0; took_over = 0; purger_dead = 0; told = 0; lost = 0;
        if
        :: births > 0 && ops > 0 -> births--; inc[me]++; alive = alive | BIT(me); goto life_begins
        :: else
        fi
    }
  }
}

/* A process without a slot has written nothing: for the others its death is a freeze. */
#define KILL(p) \
  atomic { \
    deaths > 0 && IN(alive, p) && slot_of[p] != NONE -> \
      deaths--; alive = alive & ~BIT(p); \
      dead_bits = dead_bits | (BIT(slot_of[p]) & (extra | (STATE(unit) == PURGING -> 0 : HOLDERS(unit)))); \
      holds = holds & ~BIT(p); refillers = refillers & ~BIT(p); pinning = pinning & ~BIT(p); \
      met_refiller = met_refiller & ~BIT(p); objects = objects & ~BIT(p); missed = missed & ~BIT(p); dead_before[p] = 0 \
  }

proctype Killer() {
end:
  do
  :: KILL(0)
  :: KILL(1)
  :: KILL(2)
  od
}

init {
  atomic {
    byte p = 0;
    do
    :: p < 3 ->
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
    run Proc(0); run Proc(1); run Proc(2)
  }
}
