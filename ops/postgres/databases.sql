-- Run once by the PostgreSQL image on an empty volume. Rollcast's own database is made from POSTGRES_DB.
CREATE DATABASE prefect;
