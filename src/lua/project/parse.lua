-- parse: checks and decodes an entry of the log. Reads no key; set_aside writes `rejected`.
-- gives: RANK items_of list_of open_in parse scopes_in set_aside whole
-- reads: REJECTED byte call decode find format match proven rejected sub valid

local RANK = { hello = 1, pid = 2, version = 3, protocol = 4, grace = 5, tracks = 6, connect = 7, disconnect = 8, leave = 9, close = 10,
  anonymous = 11, sockets = 12, connections = 13, join = 14, drop = 15, part = 16, shut = 17, memberships = 18,
  open = 19, gone = 20, ids = 21, bye = 22, replaces = 23 }

local function whole(text, most)
  if #text > 15 or not find(text, '^%d+$') then return nil end
  local number = tonumber(text)
  return number <= most and number or nil
end

-- A JSON list, or nil and the reason.
local function items_of(name, value)
  if #value > LIST_BYTES_MAX then return nil, name .. ' is too long' end
  if byte(value) ~= 91 then return nil, name .. ' is no JSON list' end
  if not valid(value) then return nil, name .. ' is not UTF-8' end
  local good, list = pcall(decode, value)
  if not good then return nil, name .. ' is no JSON list' end
  return list
end

-- A JSON list of strings, or nil and the reason.
local function list_of(name, value, longest)
  local list, reason = items_of(name, value)
  if not list then return nil, reason end
  for i = 1, #list do
    local id = list[i]
    if type(id) ~= 'string' then return nil, name .. ' holds something that is no text' end
    if #id < 1 then return nil, name .. ' holds an empty id' end
    if #id > longest then return nil, name .. ' holds an id that is too long' end
  end
  return list
end

-- A JSON list of lists, each of a scope and users, and how many operations they are; or nil and the reason.
local function scopes_in(name, value)
  local list, reason = items_of(name, value)
  if not list then return nil, reason end
  local count = 0
  for i = 1, #list do
    local one = list[i]
    if type(one) ~= 'table' or #one < 2 then return nil, name .. ' holds something that is no list' end
    local scope = one[1]
    if type(scope) ~= 'string' then return nil, name .. ' holds something that is no text' end
    local bare = match(scope, '^%*?(/.*)$')
    if not bare or #bare > SCOPE_BYTES_MAX then return nil, name .. ' holds no scope' end
    for j = 2, #one do
      if type(one[j]) ~= 'string' then return nil, name .. ' holds something that is no text' end
      if #one[j] > ID_BYTES_MAX then return nil, name .. ' holds an id that is too long' end
    end
    count = count + #one - 1 + SCOPE_OPERATIONS
  end
  return list, count
end

-- A JSON list of lists, each of a socket's id, its user and its scopes, and how many operations they are; or nil and the reason.
local function open_in(name, value)
  local list, reason = items_of(name, value)
  if not list then return nil, reason end
  local check, count = CHECK_OPEN, 0
  for i = 1, #list do
    local why, operations = check(list[i])
    if why then return nil, name .. ' holds ' .. why end
    count = count + operations
  end
  return list, count
end

-- fields: the entry's flat list of names and values. Returns a record, or nil and the reason.
local function parse(fields)
  local count = #fields
  if fields[1] ~= 'process' or fields[3] ~= 'seq' or fields[5] ~= 'ttl' then
    return nil, 'a record starts with process, seq, ttl'
  end
  if count > FIELDS_MAX then return nil, 'too many fields' end
  -- Before anything of it counts.
  if proven and not proven(fields) then return nil, 'mac' end
  local id, seq, ttl = fields[2], whole(fields[4], 1e15), whole(fields[6], TTL_MS_MAX)
  if id == '' or #id > ID_BYTES_MAX or not valid(id) then return nil, 'process is empty, too long or not UTF-8' end
  if not seq or seq < 1 or fields[4] ~= format('%.0f', seq) then return nil, 'seq is not a whole number from 1' end
  if not ttl or ttl < 1 then return nil, 'ttl is out of range' end

  local record = { id = id, seq = seq, ttl = ttl, lists = {}, scopes = {}, operations = 0 }
  local rank = 0
  for i = 7, count, 2 do
    local name, value = fields[i], fields[i + 1]
    local at = RANK[name]
    -- Fields of later versions, which do not change the meaning of those known here.
    if at then
      if at <= rank then return nil, name .. ' is not in its place' end
      rank = at
      if at >= 7 and at <= 10 then
        local list, reason = list_of(name, value, ID_BYTES_MAX)
        if not list then return nil, reason end
        record.operations = record.operations + #list
        if record.operations > OPERATIONS_MAX then return nil, 'too many operations' end
        record.lists[#record.lists + 1] = { at - 6, list }
      elseif at >= 14 and at <= 17 then
        local list, count = scopes_in(name, value)
        if not list then return nil, count end
        record.operations = record.operations + count
        if record.operations > OPERATIONS_MAX then return nil, 'too many operations' end
        record.scopes[#record.scopes + 1] = { at - 13, list }
      elseif name == 'open' then
        local list, count = open_in(name, value)
        if not list then return nil, count end
        record.operations, record.open = record.operations + count, list
        if record.operations > OPERATIONS_MAX then return nil, 'too many operations' end
      elseif name == 'gone' then
        local list, reason = list_of(name, value, ID_BYTES_MAX)
        if not list then return nil, reason end
        record.operations, record.gone = record.operations + #list, list
        if record.operations > OPERATIONS_MAX then return nil, 'too many operations' end
      elseif name == 'tracks' then
        local list, reason = list_of(name, value, SCOPE_BYTES_MAX + 1)
        if not list then return nil, reason end
        record.tracks = value
      elseif name == 'anonymous' or name == 'sockets' or name == 'connections' or name == 'memberships' or name == 'ids' then
        record[name] = whole(value, 10 ^ DIGITS_MAX - 1)
        if not record[name] then return nil, name .. ' is not a whole number' end
      elseif name == 'grace' or name == 'protocol' then
        record[name] = whole(value, TTL_MS_MAX)
        if not record[name] then return nil, name .. ' is out of range' end
        if name == 'protocol' and record.protocol > tonumber(PROTOCOL) then return nil, 'protocol ' .. value end
      elseif name == 'replaces' then
        local list, reason = list_of(name, value, ID_BYTES_MAX)
        if not list then return nil, reason end
        if #list > REPLACES_MAX then return nil, 'too many replaces' end
        record.replaces = list
      else
        if #value > ID_BYTES_MAX or not valid(value) then return nil, name .. ' is too long or not UTF-8' end
        record[name] = value
      end
    elseif #name > ID_BYTES_MAX or #value > LIST_BYTES_MAX then return nil, 'a name or value is too long' end
  end
  if not record.sockets then return nil, 'sockets is missing' end
  if #record.scopes > 0 and not record.memberships then return nil, 'memberships is missing' end
  if (record.open or record.gone) and not record.ids then return nil, 'ids is missing' end
  return record
end

-- Keeps a malformed entry, truncated, with its reason.
local function set_aside(id, fields, reason)
  local copy, values = {}, #fields
  if values > KEPT_VALUES then values = KEPT_VALUES end
  for i = 1, values do
    local value, last = fields[i], ID_BYTES_MAX
    -- Cut at a whole character: the next byte must not be a continuation byte.
    for _ = 1, 3 do
      local after = byte(value, last + 1)
      if after and after >= 128 and after <= 191 then last = last - 1 end
    end
    copy[i] = sub(value, 1, last)
  end
  call('XADD', REJECTED, 'MAXLEN', '~', REJECTED_KEPT, '*', 'reason', reason, 'id', id, unpack(copy))
  rejected = rejected + 1
end
