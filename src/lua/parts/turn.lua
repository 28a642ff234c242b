-- turn: whose turn it is to read the log, where callers read it themselves (client-read mode).
--
-- A turn is a lease with a fencing token. It keeps the callers from reading past each other; what keeps them exact, should
-- one come late, is that a call folds nothing but the head of the log (see parts/read.lua). Callers have a consumer group
-- of their own: what a late one is given moves nobody else's place, so calls of both modes may go side by side.

local CALLER, TOKEN = ARGV[6], ARGV[7]
local CALLERS = 'projector-client'
local TURN_MS = 5000            -- how long a turn lasts without a call: a caller may have died

local reader = totals[14] or '' -- who had the last turn
local token = tonumber(totals[15] or 0)
local turn_ends = tonumber(totals[16] or 0)
local turn_moved = false        -- the three above have to be written

local PENDING_MAX = 1000        -- taken off the pending entries at once; a caller reads no more than that

-- Whoever reads next, reads from the head of the log, with nothing pending. What a caller was given and has not passed on
-- is delivered again: all that is not folded is still in the log, and nothing else is.
local function read_from_head()
  local reply = pcall('XGROUP', 'SETID', RECORDS, CALLERS, '0')
  if reply.err then
    -- No group, or no log.
    checked(pcall('XGROUP', 'CREATE', RECORDS, CALLERS, '0', 'MKSTREAM'), RECORDS)
    return
  end
  repeat
    local pending, ids = call('XPENDING', RECORDS, CALLERS, '-', '+', PENDING_MAX), {}
    for i = 1, #pending do ids[i] = pending[i][1] end
    if #ids > 0 then call('XACK', RECORDS, CALLERS, unpack(ids)) end
  until #ids < PENDING_MAX
end

-- Returns whether this call may go on.
local function take_turn()
  if CALLER == '' then return true end
  if reader ~= CALLER then
    -- Never longer than a turn: the clock may have gone back.
    if turn_ends > now and turn_ends <= now + TURN_MS then return false end
    reader, token = CALLER, token + 1
    read_from_head()
  end
  turn_ends, turn_moved = now + TURN_MS, true
  return true
end

-- The reply of a call that did nothing, not even run.
local function not_our_turn()
  return { now, turn_ends, 0, folded_id, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, 0 }
end

-- Writes the totals and makes the reply. Who has nothing more to do leaves the turn to others.
local function finish(more)
  commit()
  if turn_moved then
    if not more then turn_ends = 0 end
    call('HSET', TOTALS, 'reader', reader, 'token', decimal[token], 'turn', decimal[turn_ends])
  end
  save_totals(not more)
  return {
    now, due or -1, more and 1 or 0, folded_id,
    did.records, did.operations, did.skipped, did.fenced, did.rejected,
    did.reaped, did.given_back, did.changes, did.held,
    left, CALLER == '' and 0 or token, left_over,
  }
end
