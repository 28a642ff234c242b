function()
  -- The scopes of one phase: reads first, applies memberships one by one, writes together. What a call says about scopes is in `t`:
  -- lingering (how many linger; nil: no scope was ever used), moved (the last entry of `moves`, if there is a new one), counts (scopes, memberships and told
  -- scopes, if they have changed), broken (why the parts do not agree).
  local tag = sub(RECORDS, 1, -8)
  local LINGERING, LINGERERS, TOLD = tag .. 'lingering', tag .. 'lingerers', tag .. 'told'
  local all, list, n = {}, {}, 0        -- scope -> its table; all of them
  local members, some = {}, {}          -- slot -> the memberships of its process; all of them
  local unread, asking = {}, {}         -- scopes not read yet; scopes of which fields are wanted
  if not apply then apply = APPLY end
  local function ask(command, key, ...)
    local reply = try(command, key, ...)
    if type(reply) == 'table' and reply.err then
      error(find(reply.err, 'WRONGTYPE', 1, true) and 'PRESENCE_TYPE ' .. key .. ': holds another type' or reply.err, 0)
    end
    return reply
  end

  local function scope_of(text)
    local c = all[text]
    if not c then
      c = { text = text, key = tag .. 'scope:' .. text, was = {}, is = {}, ids = {}, wanted = { '' }, cause = {}, keep = {}, since = {}, ends = {} }
      n = n + 1
      all[text], list[n], unread[#unread + 1], asking[#asking + 1] = c, c, c, c
      c.is[''], c.asks = 0, true
    end
    return c
  end

  local function want(c, id)
    if c.is[id] ~= nil then return end
    c.is[id] = 0
    c.wanted[#c.wanted + 1] = id
    if not c.asks then
      c.asks = true
      asking[#asking + 1] = c
    end
  end

  local function member_of(slot)
    local q = members[slot]
    if not q then
      q = { slot = slot, key = tag .. 'scopes:' .. slot, by = {}, was = {}, texts = {}, wanted = { '' } }
      q.by[''] = false
      members[slot], some[#some + 1] = q, q
    end
    return q
  end

  local function want_member(q, text)
    if q.by[text] == nil then
      q.by[text] = false
      q.wanted[#q.wanted + 1] = text
    end
  end

  local function read_member(q)
    local wanted = q.wanted
    for first = 1, #wanted, VALUES_MAX do
      local last = math.min(#wanted, first + VALUES_MAX - 1)
      local found = ask('HMGET', q.key, unpack(wanted, first, last))
      for i = first, last do
        local text = wanted[i]
        local count = tonumber(found[i - first + 1] or 0) or 0
        q.was[text], q.by[text], q.texts[#q.texts + 1] = count, count, text
      end
    end
    q.wanted = {}
  end

  -- Reads what is wanted. If the parts of a scope do not agree, says so in t.broken.
  local function read()
    for first = 1, #unread, VALUES_MAX do
      local last, names = math.min(#unread, first + VALUES_MAX - 1), {}
      for i = first, last do names[i - first + 1] = unread[i].text end
      local scores, told = ask('ZMSCORE', tag .. 'scopes', unpack(names)), ask('SMISMEMBER', TOLD, unpack(names))
      for i = first, last do
        local c = unread[i]
        local score = tonumber(scores[i - first + 1] or 0)
        c.score, c.users = score, floor(score / SCOPE_UNIT)
        c.sockets, c.told = score - c.users * SCOPE_UNIT, told[i - first + 1] == 1
        c.fields = ask('HLEN', c.key)
      end
    end
    unread = {}
    for a = 1, #asking do
      local c = asking[a]
      local wanted = c.wanted
      c.asks, c.wanted = false, {}
      for first = 1, #wanted, VALUES_MAX do
        local last = math.min(#wanted, first + VALUES_MAX - 1)
        -- What is left of a scope that has ended is void.
        local found = c.score > 0 and ask('HMGET', c.key, unpack(wanted, first, last))
        for i = first, last do
          local id, v = wanted[i], found and found[i - first + 1] or false
          c.was[id], c.is[id], c.ids[#c.ids + 1] = v, v, id
        end
      end
      if c.score > 0 and (c.fields ~= c.users + (c.was[''] and 1 or 0) or c.fields == 0) and not c.seen then
        t.broken = 'scope: ' .. c.fields .. ' there, ' .. format('%.0f', c.users) .. ' counted'
      end
      c.seen = true
    end
    asking = {}
    for i = 1, #some do
      if #some[i].wanted > 0 then read_member(some[i]) end
    end
  end

  -- A field that a scan has found.
  local function met(c, id, v)
    if c.is[id] == nil then c.was[id], c.is[id], c.ids[#c.ids + 1] = v, v, id end
  end

  -- Adds or takes one membership (by: 1, -1). Returns false if there was none to take. at: the number of the record.
  local function step(c, id, q, by, cause, keep, at)
    local v, slot, text = c.is[id], q.slot, c.text
    if by > 0 and (not v or v == '0') then v = slot
    elseif by < 0 and v == slot then
      v = false
      c.cause[id] = cause
      if keep and id ~= '' then v, c.keep[id], c.since[id] = '0', keep, at end
    elseif not v or v == '0' then return false
    else
      v = apply(v, slot, by)
      if v == nil then return false end
    end
    c.is[id], c.sockets = v, c.sockets + by
    q.by[text], q.by[''] = q.by[text] + by, q.by[''] + by
    return true
  end

  -- Why a user was first absent after a record or a later one; nil: it was not. gaps: after which record, why, and so on.
  local function why_absent(gaps, since)
    for i = 1, #gaps, 2 do
      if gaps[i] >= since then return gaps[i + 1] end
    end
  end

  -- The first record after the end of a process; 0: it ended before this call.
  local function since_end(p)
    return p.ended_in and p.ended_in + 1 or 0
  end

  -- Removes ended processes (slot -> process) from a user's value, as of when they ended; the last one decides.
  local function take_off(c, id, dead)
    local v, rest, latest, keeps = c.is[id], {}, nil, 0
    if not v or v == '0' then return end
    for one in string.gmatch(v, '[^,]+') do
      local slot, k = match(one, '^(%d+)%*?(%d*)$')
      local p = dead[slot]
      if p then
        local count, q = k == '' and 1 or tonumber(k), member_of(slot)
        want_member(q, c.text)
        if #q.wanted > 0 then read_member(q) end
        c.sockets = c.sockets - count
        q.by[c.text], q.by[''] = q.by[c.text] - count, q.by[''] - count
        local keep = p.cause ~= 'reap' and p.grace > 0 and p.at + p.grace or 0
        if not latest or tonumber(p.at) > tonumber(latest.at) or p.at == latest.at and keep > keeps then
          latest, keeps, c.cause[id] = p, keep, p.cause
        end
      else rest[#rest + 1] = one end
    end
    if not latest then return end
    if #rest > 0 then c.is[id] = table.concat(rest, ',')
    elseif keeps > 0 and id ~= '' then c.is[id], c.keep[id], c.since[id], c.ends[id] = '0', keeps, since_end(latest), latest
    else c.is[id] = false end
  end

  -- Of the users `ids`, whom take_off has left lingering in `c`: who has been absent from the whole since the process ended does not linger,
  -- however late it is taken off. Absences of this phase are for `clear` to see; those of calls before are in the hash of the process.
  local function settle(c, ids)
    local by_slot = {}
    for i = 1, #ids do
      local p = c.ends[ids[i]]
      by_slot[p.slot] = by_slot[p.slot] or {}
      table.insert(by_slot[p.slot], ids[i])
    end
    for slot, some in pairs(by_slot) do
      for first = 1, #some, VALUES_MAX do
        local last, fields = math.min(#some, first + VALUES_MAX - 1), {}
        for i = first, last do fields[i - first + 1] = '-' .. some[i] end
        local found = ask('HMGET', tag .. 'scopes:' .. slot, unpack(fields))
        for i = first, last do
          local id = some[i]
          local why = found[i - first + 1]
          if why then c.is[id], c.cause[id] = false, why end
          c.ends[id] = nil
        end
      end
    end
  end

  -- Notes in the hashes of ended processes who has become absent since: `-<user>` -> why at first. It goes with the hash.
  local function note(absent, dead)
    t.notes = t.notes or VALUES_MAX
    for slot, p in pairs(dead) do
      if t.notes > 0 and not p.buried and p.cause ~= 'reap' and p.grace > 0 then
        local key, q, fields, causes = tag .. 'scopes:' .. slot, members[slot], {}, {}
        if tonumber(q and q.by[''] or ask('HGET', key, '') or 0) > 0 then
          for id, gaps in pairs(absent) do
            local why = why_absent(gaps, since_end(p))
            -- No budget counts these either.
            if why and t.notes > 0 then t.notes, fields[#fields + 1], causes[#causes + 1] = t.notes - 1, '-' .. id, why end
          end
          if #fields > 0 then
            local found, set = call('HMGET', key, unpack(fields)), {}
            for i = 1, #fields do
              if not found[i] then set[#set + 1], set[#set + 2] = fields[i], causes[i] end
            end
            if #set > 0 then call('HSET', key, unpack(set)) end
          end
        end
      end
    end
  end

  -- Who is absent from the whole lingers nowhere. absent: user -> its absences, as above.
  local function clear(absent)
    if (t.lingering or 0) > 0 then
      -- No budget counts these, so a call takes a bounded number.
      local left = CLEARED_MAX
      for id in pairs(absent) do
        if left == 0 then break end
        local start = #id .. ':' .. id
        local found = ask('ZRANGEBYLEX', LINGERERS, '[' .. start .. '/', '(' .. start .. '0', 'LIMIT', 0, left)
        left = left - #found
        for i = 1, #found do want(scope_of(sub(found[i], #start + 1)), id) end
      end
      read()
    end
    for i = 1, n do
      local c = list[i]
      for j = 1, #c.ids do
        local id = c.ids[j]
        local why = c.is[id] == '0' and absent[id] and why_absent(absent[id], c.since[id] or 0)
        if why then c.is[id], c.cause[id] = false, why end
      end
    end
  end

  local function in_chunks(command, key, values)
    local done = 0
    for first = 1, #values, VALUES_MAX do
      done = done + call(command, key, unpack(values, first, math.min(#values, first + VALUES_MAX - 1)))
    end
    return done
  end

  local function add_memberships(n)
    if not t.counts then
      local kept, open, telling = match(t[24] or '', '^(%d+) (%d+) (%d+)$')
      t.counts = { tonumber(kept or 0), tonumber(open or 0), tonumber(telling or 0) }
    end
    t.counts[2] = t.counts[2] + n
  end

  -- Streams and sets first: a key of another type then fails before anything is counted.
  local function write()
    local entry, enter, zeros, back, set, out, told, untold = {}, {}, {}, {}, {}, {}, {}, {}
    for i = 1, n do
      local c = list[i]
      local users, came, went, any = c.users, {}, {}, false
      c.set, c.gone = {}, {}
      for j = 1, #c.ids do
        local id = c.ids[j]
        local before, after = c.was[id], c.is[id]
        if after == '0' then
          if c.keep[id] then
            local member = #id .. ':' .. id .. c.text
            enter[#enter + 1], enter[#enter + 2] = format('%.0f', c.keep[id]), member
            zeros[#zeros + 1], zeros[#zeros + 2] = '0', member
          end
        elseif before == '0' then back[#back + 1] = #id .. ':' .. id .. c.text end
        if after ~= before then
          if after then
            c.set[#c.set + 1], c.set[#c.set + 2] = id, after
            if not before and id ~= '' then users, came[#came + 1], any = users + 1, id, true end
          else
            c.gone[#c.gone + 1] = id
            if id ~= '' then
              local cause = c.cause[id]
              if not went[cause] then went[cause] = {} end
              users, went[cause][#went[cause] + 1], any = users - 1, id, true
            end
          end
        end
      end
      local score = users * SCOPE_UNIT + c.sockets
      if score > 0 and c.tells and not c.told then told[#told + 1] = c.text
      elseif score == 0 and c.told then untold[#untold + 1] = c.text end
      if score == 0 and c.score > 0 then out[#out + 1] = c.text
      elseif score ~= c.score then set[#set + 1], set[#set + 2] = format('%.0f', score), c.text end
      if any and (c.told or c.tells) then
        if #came > 0 then went.connect = came end
        entry[#entry + 1], entry[#entry + 2] = c.text, encode(went)
      end
    end
    -- What is written and was not read.
    if #entry > 0 then ask('XLEN', tag .. 'moves') end
    if #enter > 0 or #back > 0 then
      ask('ZCARD', LINGERING)
      ask('ZCARD', LINGERERS)
    end
    t.lingering = t.lingering or 0
    add_memberships(0)
    local counts = t.counts
    if #entry > 0 then t.moved = call('XADD', tag .. 'moves', 'MAXLEN', '~', t.kept or CHANGES_KEPT, '*', unpack(entry)) end
    t.lingering = t.lingering + in_chunks('ZADD', LINGERING, enter) - in_chunks('ZREM', LINGERING, back)
    in_chunks('ZADD', LINGERERS, zeros)
    in_chunks('ZREM', LINGERERS, back)
    counts[3] = counts[3] + in_chunks('SADD', TOLD, told) - in_chunks('SREM', TOLD, untold)
    counts[1] = counts[1] + in_chunks('ZADD', tag .. 'scopes', set) - in_chunks('ZREM', tag .. 'scopes', out)
    for i = 1, n do
      local c = list[i]
      if c.score == 0 and c.fields > 0 then call('UNLINK', c.key) end
      in_chunks('HSET', c.key, c.set)
      in_chunks('HDEL', c.key, c.gone)
    end
    for i = 1, #some do
      local q, sums, gone = some[i], {}, {}
      add_memberships(math.max(0, q.by['']) - q.was[''])
      for j = 1, #q.texts do
        local text = q.texts[j]
        local count = q.by[text]
        if count ~= q.was[text] then
          if count > 0 then sums[#sums + 1], sums[#sums + 2] = text, format('%.0f', count)
          else gone[#gone + 1] = text end
        end
      end
      in_chunks('HSET', q.key, sums)
      in_chunks('HDEL', q.key, gone)
    end
  end

  return { scope_of = scope_of, want = want, member_of = member_of, want_member = want_member, read = read, met = met, step = step,
    take_off = take_off, settle = settle, note = note, clear = clear, write = write, add_memberships = add_memberships }
end
