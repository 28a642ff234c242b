-- states: the registrations that this call needs, each read once and written once.
-- gives: bury dead fence finish forget_the_dead known preclude process_of save_states tell_about touch touched
-- reads: ABOUT ENDED PROCESSES RECORDS STATES call connections decode encode fenced format match now records remembered sockets sub t

local known, touched = {}, {}   -- process id -> its table, or false: unknown; those to be written
local dead = {}                 -- slot -> the ended process whose users are still named

local function process_of(id)
  if known[id] ~= nil then return known[id] end
  local text = call('HGET', STATES, id)
  known[id] = false
  if text then
    local state, seq, open, anonymous, low, slot, grace, cause, at =
      match(text, '^(%a+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) ?(%a*) ?(%d*)$')
    if state then
      known[id] = { id = id, state = state, seq = tonumber(seq), sockets = tonumber(open), anonymous = tonumber(anonymous),
        connections = tonumber(low), slot = slot, grace = tonumber(grace), cause = cause, at = at }
    end
  end
  return known[id]
end

local function touch(p)
  if not p.touched then
    p.touched = true
    touched[#touched + 1] = p
  end
end

-- Adds to `about` of a process, which only readers use.
local function tell_about(id, name, value)
  local text = call('HGET', ABOUT, id)
  local good, about = pcall(decode, text or '{}')
  if not good or type(about) ~= 'table' then about = {} end
  about[name] = value
  call('HSET', ABOUT, id, encode(about))
end

local function save_states()
  for i = 1, #touched do
    local p = touched[i]
    p.touched = nil
    local text = format('%s %.0f %.0f %.0f %.0f %s %.0f', p.state, p.seq, p.sockets, p.anonymous, p.connections, p.slot, p.grace)
    if p.state == 'ended' then text = text .. ' ' .. p.cause .. ' ' .. p.at end
    remembered = remembered + call('HSET', STATES, p.id, text)
    if p.state == 'ended' then
      if not p.buried then call('ZADD', PROCESSES, 0, p.slot .. ':' .. p.id) end
    elseif p.lease then
      call('ZADD', PROCESSES, 'GT', p.lease, p.slot .. ':' .. p.id)
    end
  end
  touched = {}
end

-- Fences a process: its counts stay, but its records are skipped until it registers again. It gets a few leases to do so.
local function fence(p, reason, at, ttl)
  p.state = 'fenced'
  p.lease = math.max(p.lease or 0, at + FENCED_LEASES * ttl)
  fenced = fenced + 1
  touch(p)
  p.reason = reason
end

-- Ends a process; the reaper then removes its users. cause: bye, replace, reap.
local function finish(p, cause, at)
  p.state, p.cause, p.at, p.ended_in = 'ended', cause, format('%.0f', at), records
  dead[p.slot] = p
  touch(p)
end

-- An ended process has no users left. It is remembered for a while, so that a late copy of its first record cannot bring it
-- back.
local function bury(p)
  sockets, connections = sockets - p.sockets, connections - p.connections
  p.sockets, p.anonymous, p.connections, p.buried = 0, 0, 0, true
  touch(p)
  if t.lingering then call('UNLINK', sub(RECORDS, 1, -8) .. 'scopes:' .. p.slot, sub(RECORDS, 1, -8) .. 'sockets:' .. p.slot) end
  call('ZREM', PROCESSES, p.slot .. ':' .. p.id)
  call('ZADD', ENDED, format('%.0f', now + TOMBSTONE_MS), p.id)
end

-- A replaced process that is unknown: its first record may not have arrived yet.
local function preclude(id)
  remembered = remembered + call('HSET', STATES, id, format('ended 0 0 0 0 0 0 replace %.0f', now))
  call('ZADD', ENDED, format('%.0f', now + TOMBSTONE_MS), id)
  known[id] = nil
end

local function forget_the_dead()
  local ids = call('ZRANGEBYSCORE', ENDED, '-inf', format('%.0f', now), 'LIMIT', 0, FORGOTTEN_MAX)
  if #ids == 0 then return end
  remembered = remembered - call('HDEL', STATES, unpack(ids))
  call('HDEL', ABOUT, unpack(ids))
  call('ZREM', ENDED, unpack(ids))
  for i = 1, #ids do known[ids[i]] = nil end
end
