-- The steps of verify that look at scopes. Names of scopes, or slots, come as a JSON list after the cursor in the first of them; the reply's
-- cursor is `<how many of them are done> <cursor in the next>`.
local tag = string.sub(KEYS[1], 1, -8)
local SCOPES, LINGERING, LINGERERS, TOLD, MOVES = tag .. 'scopes', tag .. 'lingering', tag .. 'lingerers', tag .. 'told', tag .. 'moves'

-- A correction may have changed these counts. untold: how many scopes are told no longer.
local function count_scopes_again(untold)
  local open, telling = match(call('HGET', TOTALS, 'scoped') or '', '^%d+ (%d+) (%d+)$')
  call('HSET', TOTALS, 'lingering', call('ZCARD', LINGERING), 'scoped',
    format('%.0f %s %.0f', call('ZCARD', SCOPES), open or '0', math.max(0, tonumber(telling or 0) - untold)))
end

-- Sets the score of a scope, or removes what is left of it.
local function set_score(text, score)
  if score > 0 then
    call('ZADD', SCOPES, format('%.0f', score), text)
    count_scopes_again(0)
  else
    call('ZREM', SCOPES, text)
    call('UNLINK', tag .. 'scope:' .. text)
    count_scopes_again(call('SREM', TOLD, text))
  end
end

-- Compares the score of a scope with what was counted in its hash.
local function compare_score(text, score, there, open)
  local counted = math.floor(score / SCOPE_UNIT)
  local sockets = score - counted * SCOPE_UNIT
  if counted ~= there then differs('scope-users', text, format('%.0f', counted), format('%.0f', there)) end
  if sockets ~= open then differs('scope-sockets', text, format('%.0f', sockets), format('%.0f', open)) end
  if repair and (counted ~= there or sockets ~= open) then set_score(text, there * SCOPE_UNIT + open) end
end

if what == 'names' then
  local page = call('ZSCAN', SCOPES, cursor, 'COUNT', limit)
  for i = 1, #page[2], 2 do values[#values + 1] = page[2][i] end
  return reply(page[1])
end

if what == 'scopes' then
  local names, sums, many = cjson.decode(cursor), {}, tonumber(limit)
  local at, inner = 2, names[1]
  values[1] = '0'
  while at <= #names and looked < many do
    local text = names[at]
    local key, score = tag .. 'scope:' .. text, tonumber(call('ZMSCORE', SCOPES, text)[1] or nil)
    -- Of a scope that ends meanwhile there is nothing to check.
    local is_whole = not score or inner == '0' and call('HLEN', key) <= many
    local there, open, set, gone, graced, own = 0, 0, {}, {}, {}, {}
    repeat
      local page = score and call('HSCAN', key, inner, 'COUNT', limit) or { '0', {} }
      inner = page[1]
      looked = looked + #page[2] / 2 + 1
      for i = 1, #page[2], 2 do
        local id, v = page[2][i], page[2][i + 1]
        if v == '0' and id ~= '' then graced[#graced + 1] = id
        else
          local rest, good, all, bad = slots_in(v, own)
          open = open + good
          if bad or good ~= all then
            differs('member', cjson.encode({ text, id }), bad and '' or format('%.0f', all), format('%.0f', good))
            if #rest > 0 then set[#set + 1], set[#set + 2] = id, table.concat(rest, ',')
            else gone[#gone + 1] = id end
          end
          if #rest > 0 and id ~= '' then there = there + 1 end
        end
      end
    until inner == '0' or not is_whole
    for first = 1, #graced, VALUES_MAX do
      local last, members = math.min(#graced, first + VALUES_MAX - 1), {}
      for i = first, last do members[i - first + 1] = #graced[i] .. ':' .. graced[i] .. text end
      local deadlines = call('ZMSCORE', LINGERING, unpack(members))
      for i = first, last do
        if deadlines[i - first + 1] then there = there + 1
        else
          differs('lingering', cjson.encode({ text, graced[i] }), '0', '1')
          gone[#gone + 1] = graced[i]
        end
      end
    end
    if repair and #set + #gone > 0 then
      in_chunks('HSET', key, set)
      in_chunks('HDEL', key, gone)
      local members, users = {}, {}
      for i = 1, #gone do
        members[i] = #gone[i] .. ':' .. gone[i] .. text
        if gone[i] ~= '' then users[#users + 1] = gone[i] end
      end
      in_chunks('ZREM', LINGERING, members)
      in_chunks('ZREM', LINGERERS, members)
      if #users > 0 and call('SMISMEMBER', TOLD, text)[1] == 1 then
        local entry = call('XADD', MOVES, 'MAXLEN', '~', CHANGES_KEPT_MAX, '*', text, cjson.encode({ repair = users }))
        call('HSET', TOTALS, 'moved', entry)
      end
      count_scopes_again(0)
    end
    for slot, n in pairs(own) do
      sums[slot] = (sums[slot] or 0) + n
      -- What a process does not know of would stay when it ends.
      local its = tag .. 'scopes:' .. slot
      if repair and not call('HGET', its, text) then call('HSET', its, text, format('%.0f', n)) end
    end
    if score and is_whole then compare_score(text, score, there, open)
    elseif score then
      values[1] = format('%.0f', values[1] + 1)
      local n = #values
      values[n + 1], values[n + 2], values[n + 3] = text, format('%.0f', there), format('%.0f', open)
    end
    if inner == '0' then at = at + 1 end
  end
  for slot, n in pairs(sums) do
    values[#values + 1] = slot
    values[#values + 1] = format('%.0f', n)
  end
  return reply(format('%d %s', at - 2, inner))
end

if what == 'own' then
  local slots, many = cjson.decode(cursor), tonumber(limit)
  local at, inner = 2, slots[1]
  while at <= #slots and looked < many do
    local page = call('HSCAN', tag .. 'scopes:' .. slots[at], inner, 'COUNT', limit)
    local declared, sum = '', 0
    for i = 1, #page[2], 2 do
      if page[2][i] == '' then declared = page[2][i + 1] else sum = sum + (tonumber(page[2][i + 1]) or 0) end
    end
    inner, looked = page[1], looked + #page[2] / 2 + 1
    local n = #values
    values[n + 1], values[n + 2], values[n + 3] = slots[at], declared, format('%.0f', sum)
    if inner == '0' then at = at + 1 end
  end
  return reply(format('%d %s', at - 2, inner))
end

if what == 'lingering' or what == 'lingerers' then
  local key, other = LINGERING, LINGERERS
  if what == 'lingerers' then key, other = LINGERERS, LINGERING end
  local page = call('ZSCAN', key, cursor, 'COUNT', limit)
  local stray = {}
  for i = 1, #page[2], 2 do
    local member = page[2][i]
    local bytes = tonumber(match(member, '^(%d+):') or nil)
    local from = bytes and #match(member, '^%d+') + 2
    local id, text = from and string.sub(member, from, from + bytes - 1) or '', from and string.sub(member, from + bytes) or member
    if not bytes or call('HGET', tag .. 'scope:' .. text, id) ~= '0' then
      differs('lingering', cjson.encode({ text, id }), '1', '0')
      stray[#stray + 1] = member
    elseif not call('ZMSCORE', other, member)[1] then
      differs('lingering', cjson.encode({ text, id }), '0', '1')
      -- Without a deadline it is found with its scope.
      if repair and what == 'lingering' then call('ZADD', LINGERERS, 0, member) end
    end
  end
  if repair and #stray > 0 then
    in_chunks('ZREM', LINGERING, stray)
    in_chunks('ZREM', LINGERERS, stray)
    count_scopes_again(0)
  end
  return reply(page[1])
end
