--[[ quick: folds what was read if every record of it is ordinary: of a live process, the next in sequence, adding up, ending no process.
  Step by step, so that the outcome never depends on how many records a call folds (INV-12). Otherwise says why in `why`, having
  written nothing. Nothing here is a function, but for what several tabs need: a call pays for each closure it makes. ]]
-- gives: nothing
-- reads: BY_RANGE CHANGES LEAVING PROCESSES RECORDS STATES USERS apply budget byte call change changes connections count decode due encode entries find floor folded format graced match more now proven records size sockets sub t try users valid why
if entries and not why then repeat
  local last_entry, ids, n = #entries, {}, 0
  -- All processes, in one command.
  local names, procs, met, mets = {}, {}, {}, 0
  for e = 1, last_entry do
    local f = entries[e][2]
    if f[1] ~= 'process' or f[3] ~= 'seq' or f[5] ~= 'ttl' then why = 'no record' break end
    local id = f[2]
    if not procs[id] then
      mets = mets + 1
      names[mets], procs[id] = id, mets
    end
  end
  if why then break end
  local states = call('HMGET', STATES, unpack(names, 1, mets))
  for i = 1, mets do
    local seq, open, anonymous, low, slot, grace = match(states[i] or '', '^live (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
    if not seq then why = 'process' break end
    -- What is seldom needed as a number stays text.
    local p = { id = names[i], seq = tonumber(seq), sockets = tonumber(open), anonymous = anonymous, connections = low,
      slot = slot, grace = grace, lease = 0 }
    met[i], procs[p.id] = p, p
  end
  if why then break end

  -- lists, five values each: its end in `ids`, its process, its kind, the end of the grace of users who leave in it (false: none), and
  -- the number of its record.
  local lists, last_list, taken = {}, 0, last_entry
  -- Scope lists, five values each: process, kind, the list, the end of grace, the number of the record; and how many operations they are.
  local rooms, last_room, named, absent, memberships = nil, 0, 0, nil, nil
  -- What records say of the ids of sockets, four values each: process, `open`, `gone`, and how many there are.
  local stated, last_stated = nil, 0
  -- Records that are appended together have the same time, and mostly the same ttl.
  local at, at_text, ttl, ttl_text = 0, nil, 0, nil
  for e = 1, last_entry do
    local f = entries[e][2]
    local p = procs[f[2]]
    local seq, sum, declared = p.seq + 1, 0, nil
    local id = entries[e][1]
    local ms = sub(id, 1, find(id, '-', 1, true) - 1)
    if ms ~= at_text then
      at, at_text = tonumber(ms), ms
      -- An id can be ahead of the clock: ids never go back, clocks do.
      if at > now then at = now end
    end
    if f[4] ~= format('%d', seq) then why = 'seq' break end
    if f[6] ~= ttl_text then
      ttl, ttl_text = find(f[6], '^%d+$') and tonumber(f[6]), f[6]
      if not ttl or not (ttl >= 1 and ttl <= TTL_MS_MAX) then why = 'ttl' break end
    end
    if at + ttl > p.lease then p.lease = at + ttl end
    local first, rank, ends, named_before, adds_up, open, gone = n, 0, #f, named, true, nil, nil
    if proven then
      ends = proven(f)
      if not ends then why = 'mac' break end
    end
    for i = 7, ends, 2 do
      local name, value = f[i], f[i + 1]
      local kind = name == 'connect' and 1 or name == 'disconnect' and 2 or name == 'leave' and 3 or name == 'close' and 4
        or name == 'anonymous' and 5 or name == 'sockets' and 6 or name == 'connections' and 7
        or name == 'join' and 8 or name == 'drop' and 9 or name == 'part' and 10 or name == 'shut' and 11 or name == 'memberships' and 12
        or name == 'open' and 13 or name == 'gone' and 14 or name == 'ids' and 15 or 0
      -- In this order, each at most once.
      if kind <= rank then why = name break end
      rank = kind
      if kind <= 4 then
        -- One user, in plain ASCII without escapes, is read without a decoder: most lists of a calm system.
        local length = #value
        if length > 4 and length <= ID_BYTES_MAX + 4 and sub(value, 1, 2) == '["' and sub(value, -2) == '"]'
          and find(value, '"', 3, true) == length - 1 and not find(value, '[%c\\\128-\255]') then
          n = n + 1
          ids[n], length = sub(value, 3, -3), 1
        else
          -- Check the size, then the first byte: cjson does not distinguish an object from a list.
          if #value > LIST_BYTES_MAX or byte(value) ~= 91 then why = name break end
          if find(value, '[\128-\255]') then
            if not valid then valid = VALID end
            if not valid(value) then why = 'utf8' break end
          end
          local good, list = pcall(decode, value)
          if not good then why = name break end
          length = #list
          for j = 1, length do
            local user = list[j]
            if type(user) ~= 'string' or user == '' or #user > ID_BYTES_MAX then why = 'user id' break end
            ids[n + j] = user
          end
          if why then break end
          n = n + length
        end
        sum = kind == 1 and sum + length or sum - length
        lists[last_list + 1], lists[last_list + 2], lists[last_list + 3] = n, p, kind
        lists[last_list + 4] = (kind == 2 or kind == 4) and p.grace ~= '0' and at + tonumber(p.grace)
        lists[last_list + 5] = e
        last_list = last_list + 5
      elseif kind >= 8 and kind <= 11 then
        if #value > LIST_BYTES_MAX or byte(value) ~= 91 then why = name break end
        if find(value, '[\128-\255]') then
          if not valid then valid = VALID end
          if not valid(value) then why = 'utf8' break end
        end
        local good, list = pcall(decode, value)
        if not good then why = name break end
        local sign = kind == 8 and 1 or -1
        for j = 1, #list do
          local one = list[j]
          local length = type(one) == 'table' and #one or 0
          local scope = one[1]
          if length < 2 or type(scope) ~= 'string' or not find(scope, '^%*?/') or #scope > SCOPE_BYTES_MAX + 1 then why = 'scope' break end
          if byte(scope) ~= 42 and #scope > SCOPE_BYTES_MAX then why = 'scope' break end
          for k = 2, length do
            if type(one[k]) ~= 'string' or #one[k] > ID_BYTES_MAX then why = 'user id' break end
          end
          if why then break end
          named = named + length - 1 + SCOPE_OPERATIONS
          p.counted = (p.counted or 0) + sign * (length - 1)
        end
        if why then break end
        if not rooms then rooms = {} end
        rooms[last_room + 1], rooms[last_room + 2], rooms[last_room + 3] = p, kind - 7, list
        rooms[last_room + 4] = (kind == 9 or kind == 11) and p.grace ~= '0' and at + tonumber(p.grace)
        rooms[last_room + 5] = e
        last_room = last_room + 5
        adds_up = false
      elseif kind == 12 then
        local number = #value <= DIGITS_MAX and find(value, '^%d+$') and tonumber(value)
        if not number then why = name break end
        -- What it had before the first record of this call, by each of its records.
        local had = number - (p.counted or 0)
        if p.had and p.had ~= had then why = name break end
        p.had, memberships, adds_up = had, true, true
      elseif kind == 13 or kind == 14 then
        if #value > LIST_BYTES_MAX or byte(value) ~= 91 then why = name break end
        if find(value, '[\128-\255]') then
          if not valid then valid = VALID end
          if not valid(value) then why = 'utf8' break end
        end
        local good, list = pcall(decode, value)
        if not good then why = name break end
        if kind == 13 then
          open = list
          local check = CHECK_OPEN
          for j = 1, #list do
            local bad, operations = check(list[j])
            if bad then why = name break end
            named = named + operations
          end
        else
          gone = list
          for j = 1, #list do
            if type(list[j]) ~= 'string' or list[j] == '' or #list[j] > ID_BYTES_MAX then why = name break end
          end
          named = named + #list
        end
        if why then break end
      elseif kind == 15 then
        local number = #value <= DIGITS_MAX and find(value, '^%d+$') and tonumber(value)
        if not number then why = name break end
        if not stated then stated = {} end
        stated[last_stated + 1], stated[last_stated + 2], stated[last_stated + 3], stated[last_stated + 4] = p, open or {}, gone or {}, number
        last_stated, open, gone = last_stated + 4, nil, nil
      else
        local number = #value <= DIGITS_MAX and find(value, '^%d+$') and tonumber(value)
        if not number then why = name break end
        if kind == 6 then declared = number
        elseif kind == 5 then
          sum = sum + number - tonumber(p.anonymous)
          p.anonymous = format('%d', number)
        else
          connections = connections + number - tonumber(p.connections)
          p.connections = format('%d', number)
        end
      end
    end
    if why then break end
    if n - first + named - named_before > OPERATIONS_MAX then why = 'too many' break end
    if not adds_up then why = 'memberships' break end
    if open or gone then why = 'ids' break end
    if p.sockets + sum ~= declared then why = 'check digit' break end
    p.seq, p.sockets = seq, declared
    sockets = sockets + sum
    if n + named + e >= budget then taken = e break end
  end
  if why then break end

  -- A lease that has expired as far as known: do these records renew it? If one of the lowest leases is not theirs, no.
  if due >= 0 and due <= now and last_entry < count then
    local lowest = call('ZRANGE', PROCESSES, 0, mets, 'WITHSCORES')
    -- Fewer than there must be: they are gone.
    if #lowest < 2 * mets then why = 'check' break end
    due = -1
    for i = 1, #lowest, 2 do
      local deadline, p = tonumber(lowest[i + 1]), procs[match(lowest[i], '^%d+:(.*)$')]
      if p and p.lease > deadline then deadline = p.lease end
      if due < 0 or deadline < due then due = deadline end
    end
    local grace = graced > 0 and call('ZRANGE', LEAVING, 0, 0, 'WITHSCORES')
    if grace and grace[1] and tonumber(grace[2]) < due then due = tonumber(grace[2]) end
    local linger = (t.lingering or 0) > 0 and call('ZRANGE', sub(RECORDS, 1, -8) .. 'lingering', 0, 0, 'WITHSCORES')
    if linger and linger[1] and tonumber(linger[2]) < due then due = tonumber(linger[2]) end
    if due <= now then why = 'due' break end
  end

  local set, sets, gone, goes, came, comes, told, tells = nil, 0, nil, 0, nil, 0, nil, 0
  local enter, enters, back, backs = nil, 0, nil, 0
  if n > 0 then
    -- val[user]: the value after the steps so far.
    local old, val, last, stay = call('HMGET', USERS, unpack(ids, 1, n)), {}, nil, nil
    local from = 1
    for l = 1, last_list, 5 do
      local to, slot, kind, keep = lists[l], lists[l + 1].slot, lists[l + 2], lists[l + 3]
      for i = from, to do
        local id = ids[i]
        local v = val[id]
        if v == nil then v = old[i] end
        if kind == 1 and (not v or v == '0') then v = slot
        elseif kind ~= 1 and v == slot then
          v = false
          if not last then last = {} end
          last[id] = kind
        elseif not v or v == '0' then why = 'negative' break
        else
          -- Several tabs, or several processes: rare, so the closure is created when first needed.
          if not apply then apply = APPLY end
          v = apply(v, slot, kind == 1 and 1 or -1)
          if v == nil then why = 'negative' break end
        end
        if not v and keep then
          v = '0'
          if not stay then stay = {} end
          stay[id] = keep
        end
        -- Who is absent after a record lingers in no scope.
        if not v and (rooms or t.lingering) then
          if not absent then absent = {} end
          local gaps = absent[id] or {}
          absent[id] = gaps
          gaps[#gaps + 1], gaps[#gaps + 2] = lists[l + 4], kind == 2 and 'disconnect' or kind == 3 and 'leave' or 'bye'
        end
        val[id] = v
      end
      if why then break end
      from = to + 1
    end
    if why then break end
    for i = 1, n do
      local id, was = ids[i], old[i]
      local v = val[id]
      if v ~= nil then
        val[id] = nil -- handle each user once
        if v == '0' then
          if stay and stay[id] then
            if not enter then enter = {} end
            enter[enters + 1], enter[enters + 2] = stay[id], id
            enters = enters + 2
            if due < 0 or stay[id] < due then due = stay[id] end
          end
        elseif was == '0' then
          if not back then back = {} end
          backs = backs + 1
          back[backs] = id
        end
        if v ~= was then
          if v then
            if not set then set = {} end
            set[sets + 1], set[sets + 2] = id, v
            sets = sets + 2
            if not was then
              if not came then came = {} end
              comes = comes + 1
              came[comes] = id
            end
          else
            if not gone then gone = {} end
            goes = goes + 1
            gone[goes] = id
          end
        end
      end
    end
    if comes > 0 or goes > 0 then
      told = {}
      if t.history then t.last = last or {} end
      if comes > 0 then told[1], told[2], tells = 'connect', encode(came), 2 end
      if goes > 0 then
        for kind = 2, 4 do
          local some, c = nil, 0
          for i = 1, goes do
            if last[gone[i]] == kind then
              if not some then some = {} end
              c = c + 1
              some[c] = gone[i]
            end
          end
          if some then
            told[tells + 1], told[tells + 2] = kind == 2 and 'disconnect' or kind == 3 and 'leave' or 'bye', encode(some)
            tells = tells + 2
          end
        end
      end
    end
  end
  local scopes
  if rooms or absent and (t.lingering or 0) > 0 then
    if not t.make then t.make = MAKE_SCOPES end
    scopes = t.make()
    for r = 1, last_room, 5 do
      local q = scopes.member_of(rooms[r].slot)
      local list = rooms[r + 2]
      for j = 1, #list do
        local one = list[j]
        local text = one[1]
        local tells = byte(text) == 42
        if tells then text = sub(text, 2) end
        local c = scopes.scope_of(text)
        if tells and rooms[r + 1] == 1 then c.tells = true end
        one[1] = c
        for k = 2, #one do scopes.want(c, one[k]) end
        scopes.want_member(q, text)
      end
    end
    scopes.read()
    if t.broken then why = 'scope' break end
    for i = 1, mets do
      if met[i].counted and scopes.member_of(met[i].slot).by[''] ~= met[i].had then why = 'memberships' break end
    end
    if why then break end
    for r = 1, last_room, 5 do
      local p, kind, list, keep, e = rooms[r], rooms[r + 1], rooms[r + 2], rooms[r + 3], rooms[r + 4]
      local q, cause = scopes.member_of(p.slot), kind == 2 and 'disconnect' or kind == 3 and 'leave' or 'bye'
      if keep and #list > 0 and (due < 0 or keep < due) then due = keep end
      for j = 1, #list do
        local one = list[j]
        for k = 2, #one do
          if not scopes.step(one[1], one[k], q, kind == 1 and 1 or -1, cause, keep, e) then why = 'negative' break end
        end
        if why then break end
      end
      if why then break end
    end
    if why then break end
    if absent then scopes.clear(absent) end
    if t.broken then why = 'scope' break end
  end
  -- A heartbeat proves that what is known of its process is still there.
  if memberships then
    for i = 1, mets do
      local p = met[i]
      if p.had and not p.counted then
        local there = try('HGET', sub(RECORDS, 1, -8) .. 'scopes:' .. p.slot, '')
        if type(there) == 'table' or tonumber(there or 0) ~= p.had then
          why = 'memberships'
          break
        end
      end
    end
    if why then break end
  end
  local socket_ids
  if stated then
    local make = MAKE_SOCKETS
    socket_ids = make()
    for r = 1, last_stated, 4 do
      local planned = socket_ids.plan(stated[r].slot, stated[r + 1], stated[r + 2], stated[r + 3])
      if not planned then why = 'ids' break end
      socket_ids.carry_out(planned)
    end
    if why then break end
  end
  local leases, written, w = {}, {}, 0
  for i = 1, mets do
    local p = met[i]
    if p.lease > 0 then
      leases[w + 1], leases[w + 2] = format('%d', p.lease), p.slot .. ':' .. p.id
      written[w + 1] = p.id
      written[w + 2] = format('live %d %d ', p.seq, p.sockets)
        .. p.anonymous .. ' ' .. p.connections .. ' ' .. p.slot .. ' ' .. p.grace
      w = w + 2
    end
  end
  -- A grace that was over before its record was folded ends in the same call.
  if (enter or rooms) and due >= 0 and due <= now and taken == last_entry and last_entry < count then why = 'due' break end
  -- Everything is checked. Only writes from here on, and first to the keys that were not read: a key of another type then fails
  -- before anything is counted, or in a way that the next level check detects.
  if scopes then scopes.write() end
  if socket_ids then socket_ids.write() end
  call('ZADD', PROCESSES, 'GT', unpack(leases))
  if enter then graced = graced + call('ZADD', LEAVING, unpack(enter, 1, enters)) end
  if back then graced = graced - call('ZREM', LEAVING, unpack(back, 1, backs)) end
  if told then change = call('XADD', CHANGES, 'MAXLEN', '~', t.kept or CHANGES_KEPT, '*', unpack(told, 1, tells)) end
  if set then call('HSET', USERS, unpack(set, 1, sets)) end
  if gone then call('HDEL', USERS, unpack(gone, 1, goes)) end
  call('HSET', STATES, unpack(written))
  if t.history then t.came, t.gone = came, gone end
  folded = entries[taken][1]
  local ms, seq = match(folded, '^(%d+)-(%d+)$')
  call('XTRIM', RECORDS, 'MINID', ms .. '-' .. format('%.0f', seq + 1))
  if taken < last_entry and not BY_RANGE then call('XGROUP', 'SETID', RECORDS, 'projector', folded) end
  if taken < last_entry or last_entry == count then more = 1 end
  users, changes, records, operations = users + comes - goes, comes + goes, taken, n + named
  size = floor((n + named + taken) / taken)
until true end
