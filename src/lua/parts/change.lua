-- change: deltas on `users`, and the transitions between absent and present they make (INV-1, INV-4).

local entry, values = {}, 0     -- the next entry of :changes
local last_cause

-- Appends one transition to the entry in the making. Returns the new count of values.
local function put(cause, direction, user, n)
  if cause ~= last_cause then
    entry[n + 1], entry[n + 2] = 'cause', cause
    n = n + 2
    last_cause = cause
  end
  entry[n + 1], entry[n + 2] = direction, user
  return n + 2
end

-- Counts the transitions that were put since `values` was last set.
local function counted(came, went)
  did.changes = did.changes + came + went
  total_users = total_users + came - went
end

-- Appends the transitions gathered so far. An entry starts with a cause, so it can be read alone.
local function publish()
  local first = 1
  while first <= values do
    local last = first + VALUES_MAX - 1
    if last > values then last = values end
    if entry[first] ~= 'cause' then
      -- A chunk that begins amid a run of one cause: the two places before it have been sent already.
      local cause = first - 2
      while cause > 1 and entry[cause] ~= 'cause' do cause = cause - 2 end
      local name = entry[cause + 1]
      first = first - 2
      entry[first], entry[first + 1] = 'cause', name
    end
    change_id = checked(pcall('XADD', CHANGES, 'MAXLEN', '~', CHANGES_KEPT, '*', unpack(entry, first, last)), CHANGES)
    first = last + 1
  end
  entry, values, last_cause = {}, 0, nil
end

-- What one phase is going to do to `users` and `leaving`.
local function new_plan()
  return { set = {}, sets = 0, gone = {}, goes = 0, enter = {}, enters = 0, back = {}, backs = 0 }
end

-- Adds to a plan what a list of deltas does, and gathers the transitions; writes nothing yet.
--   which[1..count]       the users' indexes in the other lists, each once
--   user[i], delta[i]     0: nothing happens to that user
--   cause_at[i]           what makes user i offline when the last socket goes
--   keep_at[i]            until when, in ms, grace keeps user i present then; nil or false: not at all
--   old[i]                the count in `users` now; false: absent
local function plan_users(plan, which, count, user, delta, cause_at, keep_at, old)
  local set, gone, enter, back = plan.set, plan.gone, plan.enter, plan.back
  local sets, goes, enters, backs = plan.sets, 0, 0, 0
  local n_values, came, went = values, 0, 0
  for k = 1, count do
    local i = which[k]
    local step = delta[i]
    if step ~= 0 then
      local id, was = user[i], old[i]
      if not was then
        -- Absent: nothing can be taken away from who is not there, and what comes is the first socket.
        if step > 0 then
          set[sets + 1], set[sets + 2] = id, decimal[step]
          sets = sets + 2
          came = came + 1
          n_values = put('connect', 'online', id, n_values)
        end
      else
        local n = integer[was] + step
        if n > 0 then
          set[sets + 1], set[sets + 2] = id, decimal[n]
          sets = sets + 2
          if was == '0' then
            backs = backs + 1
            back[backs] = id
          end
        elseif keep_at[i] then
          set[sets + 1], set[sets + 2] = id, '0'
          sets = sets + 2
          enter[enters + 1], enter[enters + 2] = decimal[keep_at[i]], id
          enters = enters + 2
        else
          goes = goes + 1
          gone[goes] = id
          went = went + 1
          n_values = put(cause_at[i], 'offline', id, n_values)
          if was == '0' then
            backs = backs + 1
            back[backs] = id
          end
        end
      end
    end
  end
  values = n_values
  counted(came, went)
  plan.sets, plan.goes, plan.enters, plan.backs = sets, goes, enters, backs
  return plan
end

-- The first half of a plan: the keys no read has vouched for. `leaving` before `changes`: a stray entry in `leaving`
-- does no harm (see expire), a transition told twice would.
local function write_plan_ahead(plan)
  variadic('ZADD', LEAVING, plan.enter, plan.enters)
  variadic('ZREM', LEAVING, plan.back, plan.backs)
  publish()
end

-- The second half, after the per-process counts.
local function write_plan(plan)
  variadic('HSET', USERS, plan.set, plan.sets)
  variadic('HDEL', USERS, plan.gone, plan.goes)
end
