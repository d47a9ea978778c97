-- name: online_names
-- Its index is players_online. A name that two players have stands in the table with ~ and a part of the id (writer.sql).
SELECT actor, username FROM players WHERE online AND actor IS NOT NULL LIMIT $1
