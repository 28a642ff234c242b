-- parse: is this entry a record? Reads no key but the process's own, and writes none.

local STEP = { connect = 1, disconnect = -1, leave = -1 }
local ABOUT = { hello = true, pid = true, version = true, grace = true }

-- `<id>:users` names a key of process <id>, so no other process can be called that.
local function is_process_id(id)
  return id ~= '' and #id <= ID_BYTES_MAX and sub(id, -6) ~= ':users'
end

-- Every user the records of this call name has a position: 1, 2, 3 … in the order met. The record that names a user first
-- has the position in its range, from `first` to `last`, and its process owns the user; nearly every user is on that process
-- only. A user whom other processes name as well is their guest.
local position, positions, user_at = { [''] = 0 }, 0, {}

-- A place is where one process counts one user: of its owner the position, of a guest's process a number of its own, negated.
local guests, guest_at, has_guests = 0, {}, {}

-- What the operations of all records add up to, as if all of them were believed: by place, the sum and the lowest sum on the
-- way. Most users are named once, by a connect, and have neither: nil is 1 in `net` (of an owner), and 0 in `low`.
local net, low = {}, {}

-- By position: the operation that took a socket of the user away last, and the number of the record it is in.
local cause_at, fell_in = {}, {}

-- Is every record so far what its process should send next? Then they can be applied all at once, see parts/fold.lua.
local ordinary = true

local todo = {}                 -- parsed records, in log order, each with its time `at` in ms

-- Who owns the user at a position: found by the range it is in. Nil: a record that was none.
local function owner_of(at)
  local low, high = 1, #todo
  while low < high do
    local middle = floor((low + high + 1) / 2)
    if todo[middle].first <= at then low = middle else high = middle - 1 end
  end
  local record = todo[low]
  return record and record.first <= at and record.last >= at and record.of or nil
end

-- The place of a user met before.
local function place_of(process, at)
  local number = process.guests[at]
  if not number then
    if owner_of(at) == process then return at end
    number = guests + 1
    guests = number
    guest_at[number], has_guests[at] = at, true
    process.guests[at] = number
    -- Its owner's count has to be looked at, too.
    net[at] = net[at] or 1
    net[-number] = 0
  end
  return -number
end

-- Adds the step of an operation whose user was met before.
local function add(place, step)
  local n = (net[place] or 1) + step
  net[place] = n
  if n < (low[place] or 0) then low[place] = n end
end

-- Reads the operations from fields[from] on. Returns the index after them, what they add up to, and what those of anonymous
-- sockets add up to; or nil and the reason.
-- (The busiest loop of all: what it uses is held in locals, and nothing is called for a user met for the first time.)
local function parse_operations(process, fields, from)
  local position, users, id_bytes_max, number = position, user_at, ID_BYTES_MAX, #todo + 1
  local at_last, first, falls, anonymous, to = positions, positions + 1, 0, 0, from + 2 * OPERATIONS_MAX
  for i = from, to - 2, 2 do
    local name = fields[i]
    local id = fields[i + 1]
    if name == 'connect' then
      local at = position[id]
      if not at then
        if #id > id_bytes_max then
          positions = at_last
          return nil, 'a user id is too long'
        end
        at_last = at_last + 1
        position[id] = at_last
        users[at_last] = id
      elseif at == 0 then
        anonymous = anonymous + 1
      else
        add(at >= first and at or place_of(process, at), 1)
      end
    elseif name == 'disconnect' or name == 'leave' then
      local at = position[id]
      falls = falls + 1
      if at == 0 then
        anonymous = anonymous - 1
      else
        if not at then
          if #id > id_bytes_max then
            positions = at_last
            return nil, 'a user id is too long'
          end
          at_last = at_last + 1
          at = at_last
          position[id], users[at], net[at], low[at] = at, id, -1, -1
        else
          add(at >= first and at or place_of(process, at), -1)
        end
        cause_at[at], fell_in[at] = name, number
      end
    else
      to = i
      break
    end
  end
  positions = at_last
  if STEP[fields[to]] then return nil, 'too many operations' end
  return to, (to - from) / 2 - 2 * falls, anonymous
end

-- What the first record of a process says about it: fields from i on. Returns the index after it and a table or nil,
-- or nil and the reason.
local function parse_about(fields, i)
  local about
  while ABOUT[fields[i]] do
    local name, value = fields[i], fields[i + 1]
    if #value > ID_BYTES_MAX then return nil, name .. ' is too long' end
    if name == 'grace' and (whole[value] or TTL_MS_MAX + 1) > TTL_MS_MAX then return nil, 'grace is out of range' end
    about = about or {}
    about[name] = value
    i = i + 2
  end
  return i, about
end

-- fields: the entry's flat list of names and values. at: its time, ms.
-- Returns a record { of, fields, at, seq, ttl, about, from, to, first, last, sum, anonymous, sockets, connections, bye,
-- replaces } or nil and the reason. Its operations are fields[from] to fields[to].
local function parse(fields, at)
  local count = #fields
  if fields[1] ~= 'process' or fields[3] ~= 'seq' or fields[5] ~= 'ttl' then
    return nil, 'a record starts with process, seq, ttl'
  end
  local id, seq, ttl = fields[2], whole[fields[4]], whole[fields[6]]
  if not processes[id] and not is_process_id(id) then return nil, 'process is empty, too long or ends in :users' end
  if not seq or seq < 1 then return nil, 'seq is not a whole number from 1' end
  if not ttl or ttl < 1 or ttl > TTL_MS_MAX then return nil, 'ttl is out of range' end

  local from, about = 7, nil
  if ABOUT[fields[from]] then
    from, about = parse_about(fields, from)
    if not from then return nil, about end
  end
  local process = processes[id] or process_of(id)
  local first = positions + 1
  local i, sum, anonymous = parse_operations(process, fields, from)
  if not i then return nil, sum end
  local to = i - 1

  -- `scope` is kept for counts inside namespaces and rooms: what follows it, up to the check digits, is not ours.
  if fields[i] == 'scope' then
    while i < count and fields[i] ~= 'sockets' do i = i + 2 end
  end

  local sockets, connections, bye, replaces
  while i < count do
    local name, value = fields[i], fields[i + 1]
    if name == 'sockets' and not sockets then
      sockets = whole[value]
      if not sockets then return nil, 'sockets is not a whole number' end
    elseif name == 'connections' and not connections then
      connections = whole[value]
      if not connections then return nil, 'connections is not a whole number' end
    elseif name == 'bye' and not bye then
      bye = true
    elseif name == 'replaces' and value ~= id and is_process_id(value) then
      replaces = replaces or {}
      replaces[#replaces + 1] = value
      if #replaces > REPLACES_MAX then return nil, 'too many replaces' end
    else
      return nil, 'unexpected ' .. sub(name, 1, 40)
    end
    i = i + 2
  end
  if not sockets then return nil, 'sockets is missing' end
  -- Is it what its process should send next, and does it add up, and end nobody?
  local sockets_now, anonymous_now = process.sockets_read + sum, process.anonymous_read + anonymous
  if seq ~= process.seq_read + 1 or sockets ~= sockets_now or anonymous_now < 0 or bye or replaces
    or not process.believed then ordinary = false end
  process.seq_read, process.sockets_read, process.anonymous_read = seq, sockets_now, anonymous_now
  return {
    of = process, fields = fields, at = at, seq = seq, ttl = ttl, about = about, from = from, to = to,
    first = first, last = positions, sum = sum, anonymous = anonymous, sockets = sockets, connections = connections,
    bye = bye, replaces = replaces,
  }
end
