-- steps: changes to users within a phase: read first, applied one by one, written together.
-- gives: absent cause_of causes in_chunks is keep_of look_up note_absence order scopes scopes_here socket_ids sockets_here start_steps take_off take_step was write_steps
-- reads: CHANGES LEAVING USERS apply call change changes dead encode format given_back graced match sockets t touch users

local was, is, cause_of, keep_of, order  -- by user: before, now, what took the last socket, until when grace keeps them; who
local absent                             -- by user: after which records they were absent, and why: record, cause, record, cause …
local scopes                             -- those of this phase (scopes.lua), if it has any

local socket_ids                         -- those of this phase (sockets.lua), if it has any

local function start_steps()
  was, is, cause_of, keep_of, order = {}, {}, {}, {}, {}
  absent, scopes, socket_ids = {}, nil, nil
end

local function note_absence(id, record)
  local gaps = absent[id] or {}
  absent[id] = gaps
  gaps[#gaps + 1], gaps[#gaps + 2] = record, cause_of[id]
end

local function scopes_here()
  if not scopes then
    if not t.make then t.make = MAKE_SCOPES end
    scopes = t.make()
  end
  return scopes
end

local function sockets_here()
  if not socket_ids then
    local make = MAKE_SOCKETS
    socket_ids = make()
  end
  return socket_ids
end

-- Reads those of `ids` that this phase has not read yet.
local function look_up(ids)
  local ask, asked = {}, {}
  for i = 1, #ids do
    local id = ids[i]
    if was[id] == nil and not asked[id] then
      asked[id] = true
      ask[#ask + 1] = id
    end
  end
  for first = 1, #ask, VALUES_MAX do
    local last = first + VALUES_MAX - 1
    if last > #ask then last = #ask end
    local found = call('HMGET', USERS, unpack(ask, first, last))
    for i = first, last do
      local id = ask[i]
      was[id], is[id] = found[i - first + 1], found[i - first + 1]
      order[#order + 1] = id
    end
  end
end

-- Adds or removes one socket of a user on a slot. False: there was none to remove.
local function take_step(id, slot, step, cause, keep)
  local v = is[id]
  if step > 0 and (not v or v == '0') then v = slot
  elseif step < 0 and v == slot then
    v = false
    cause_of[id] = cause
  elseif not v or v == '0' then return false
  else
    v = apply(v, slot, step)
    if v == nil then return false end
  end
  if not v and keep then
    v = '0'
    keep_of[id] = keep
  end
  is[id] = v
  return true
end

-- Removes ended processes from the value `v` of a user, as of when they ended; the last one decides the cause. Returns the new
-- value, or nil if it has none of them.
local function take_off(id, v)
  local rest, last = {}, nil
  for one in string.gmatch(v, '[^,]+') do
    local slot, k = match(one, '^(%d+)%*?(%d*)$')
    local p = dead[slot]
    if p then
      local n = k == '' and 1 or tonumber(k)
      if not p.lost then
        p.sockets = p.sockets - n
        touch(p)
      end
      sockets = sockets - n
      given_back = given_back + 1
      local keep = p.cause ~= 'reap' and p.grace > 0 and p.at + p.grace or 0
      if not last or tonumber(p.at) > tonumber(last.at) or p.at == last.at and keep > keep_of[id] then
        last, keep_of[id], cause_of[id] = p, keep, p.cause
      end
    else rest[#rest + 1] = one end
  end
  if not last then return nil end
  if #rest > 0 or keep_of[id] == 0 then keep_of[id] = nil end
  return #rest > 0 and table.concat(rest, ',') or keep_of[id] and '0' or false
end

local function in_chunks(command, key, values)
  for first = 1, #values, VALUES_MAX do
    local last = first + VALUES_MAX - 1
    if last > #values then last = #values end
    call(command, key, unpack(values, first, last))
  end
end

local causes = CAUSES

-- Writes the result of the steps and appends the transitions to `changes`.
local function write_steps()
  local set, gone, enter, leave_grace, came, went = {}, {}, {}, {}, {}, {}
  for i = 1, #order do
    local id = order[i]
    local before, after = was[id], is[id]
    if after == '0' then
      if keep_of[id] then
        enter[#enter + 1] = format('%.0f', keep_of[id])
        enter[#enter + 1] = id
      end
    elseif before == '0' then leave_grace[#leave_grace + 1] = id end
    if after ~= before then
      if after then
        set[#set + 1] = id
        set[#set + 1] = after
        if not before then came[#came + 1] = id end
      else
        gone[#gone + 1] = id
        local cause = cause_of[id]
        if not went[cause] then went[cause] = {} end
        went[cause][#went[cause] + 1] = id
      end
    end
  end
  for first = 1, #enter, VALUES_MAX do
    local last = first + VALUES_MAX - 1
    graced = graced + call('ZADD', LEAVING, unpack(enter, first, last > #enter and #enter or last))
  end
  for first = 1, #leave_grace, VALUES_MAX do
    local last = first + VALUES_MAX - 1
    graced = graced - call('ZREM', LEAVING, unpack(leave_grace, first, last > #leave_grace and #leave_grace or last))
  end
  local told = {}
  if #came > 0 then told[1], told[2] = 'connect', encode(came) end
  for i = 1, #causes do
    local some = went[causes[i]]
    if some then
      told[#told + 1] = causes[i]
      told[#told + 1] = encode(some)
    end
  end
  if #told > 0 then change = call('XADD', CHANGES, 'MAXLEN', '~', t.kept or CHANGES_KEPT, '*', unpack(told)) end
  in_chunks('HSET', USERS, set)
  in_chunks('HDEL', USERS, gone)
  -- Who is absent after this phase, or was in between, lingers in no scope.
  if scopes or (t.lingering or 0) > 0 or t.lingering and next(dead) then
    for i = 1, #gone do
      if not absent[gone[i]] then note_absence(gone[i], math.huge) end
    end
    if next(absent) then
      scopes_here().clear(absent)
      scopes.note(absent, dead)
    end
    if scopes then scopes.write() end
  end
  if socket_ids then socket_ids.write() end
  if t.history then
    t.came, t.gone, t.did = t.came or {}, t.gone or {}, t.did or {}
    for i = 1, #came do t.came[#t.came + 1] = came[i] end
    for i = 1, #gone do
      local cause = cause_of[gone[i]]
      t.gone[#t.gone + 1] = gone[i]
      t.did[cause] = (t.did[cause] or 0) + 1
    end
  end
  users = users + #came - #gone
  changes = changes + #came + #gone
end
