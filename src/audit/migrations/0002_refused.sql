-- When there is no room, what was refused goes before what was done.
CREATE INDEX entry_refused ON entry (number) WHERE outcome = 'refused';
