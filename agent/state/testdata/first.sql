-- A state directory as the first release wrote it.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE record (kind TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
INSERT INTO meta VALUES ('site', 'Plant1');
INSERT INTO record VALUES ('device', 'd1', '{"id":"d1"}');
INSERT INTO record VALUES ('coverage', '00000000', '{"client_ip":"10.0.0.5","port":502,"packets":9}');
INSERT INTO record VALUES ('coverage', '00000001', '{"client_ip":"10.0.0.40","port":502,"packets":7}');
INSERT INTO record VALUES ('coverage', '00000002', '{"packets":16,"total":true}');
PRAGMA user_version = 1;
